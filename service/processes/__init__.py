"""The processes of the service: started, replaced, drained, measured."""
