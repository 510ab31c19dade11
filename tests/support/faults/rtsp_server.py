"""A real RTSP server for the tests, run by the system's Python: `rtsp_server.py PORT FOLDER` loops FOLDER's pictures.

FOLDER holds frame00000.jpg, ...; they are served as H.264 at 25 fps with a key frame every half second at
rtsp://127.0.0.1:PORT/clip. PORT 0 takes a free one, which is printed as the first line. A third argument
refuses RTP over TCP.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

LAUNCH = (
    '( multifilesrc location="{folder}/frame%05d.jpg" loop=true caps="image/jpeg,framerate=25/1" ! jpegdec '
    "! videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12 "
    "bframes=0 bitrate=1500 ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)


def main() -> None:
    port, folder, *only_udp = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(folder=folder))
    factory.set_shared(True)
    if only_udp:
        factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
    server.get_mount_points().add_factory("/clip", factory)
    if server.attach(None) == 0:
        sys.exit("the port cannot be opened")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
