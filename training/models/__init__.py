"""One folder a model, with its `train.py`; the folder's name is the model's."""
