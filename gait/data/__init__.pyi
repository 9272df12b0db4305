from .dataset import Dataset as Dataset
from .dataset import Part as Part
from .dataset import Split as Split
from .dataset import open_dataset as open_dataset
from .manifest import Plan as Plan
from .writing import write_dataset as write_dataset
