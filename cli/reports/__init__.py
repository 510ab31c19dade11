"""Reports: `calibration` as text and `calibration_html` as a page; `demo_recorder` and `demo_scores` of a demo run;
`clip_protocol` of an evaluation.
"""
