"""Spans of requests and of batches, sent to a collector by OpenTelemetry: an extra."""
