"""What tests share: fakes of hardware, small networks, websocket clients."""
