"""Files and folders, local or remote, written so that a reader never meets half of one."""
