"""How well the digits endpoint reads photos of handwriting, asked over HTTP.

Its scenes are made of MNIST's test images and of strokes drawn here, never of what
training draws: code shared with training would only measure what training knows.
"""
