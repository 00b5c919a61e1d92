"""Calls a running service: what people have at hand goes in, typed answers come out.

given ─▶ inputs ─▶ requests ─▶ client, async_client ─▶ answers
         (files,    (a Call)    (connection: retries,    (Prediction, Model,
          arrays,                errors)                   GeneratedImages)
          records)
"""
