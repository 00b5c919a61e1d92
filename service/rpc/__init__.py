"""gRPC: the Open Inference Protocol and TensorFlow Serving's, on a port of their own.

They share event loop, engine, limits, metrics and log with HTTP in each process that
speaks it.
"""
