"""What commands print about a calibration, a demo run or an evaluation."""
