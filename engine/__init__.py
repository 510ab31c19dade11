"""Arrays in, arrays out: faces, encoder, support set, smoothing. No camera, socket, thread or clock."""
