"""Training: the same fine-tuning of one checkpoint on PyTorch and on TensorFlow, with the loss of YOLOv8 on both."""
