"""Arrays in, arrays out: faces, encoder, comparison with the support set, smoothing. No camera, socket, thread or clock."""
