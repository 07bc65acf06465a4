"""The MONAI Label app: predictions of the pipelines, points corrected by people, the landmark network trained on them.

:mod:`kneebundle.label_app.folder` writes the app's folder. ``app``, ``datastore``, ``http_errors``, ``infer``,
``learning`` and ``train`` import ``monailabel``, which lives in an environment of its own; nothing else of the package
imports them.
"""
