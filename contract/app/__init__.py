"""The description of an app, ``preview.yaml``: its model, its reader, its placeholders."""
