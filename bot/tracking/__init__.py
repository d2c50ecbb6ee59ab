"""Run trackers: curves and joules for TensorBoard, MLflow, W&B or Trackio, written by a process apart."""
