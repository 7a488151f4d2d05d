"""The bundled sample; see :func:`saegeom_data.sample_path`."""
