"""What `servery predict` reads and writes: files in, a table or a file out.

files, folders ┐
lines of text  ├─▶ rows ─▶ Client.predict_each ─▶ output: table, CSV, JSON
CSV            ┘
"""
