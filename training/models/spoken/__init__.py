"""Spoken digits: a CNN on the log-mel spectrogram of the word in a recording."""
