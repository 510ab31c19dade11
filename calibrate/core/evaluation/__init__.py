"""What the labels are worth, in data order.

`coverage` of the affect plane and `unlabelled_faces` seen between labels; the leave-one-out `report`; `status` of a
running calibration, which says what to label next; `comparison` of two finished sets.
"""
