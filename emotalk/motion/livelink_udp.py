"""Send a motion in real time as the packets of Epic's Live Link Face app, which Unreal Engine and others listen for.

One UDP packet a frame, numbers with their high bytes first: version (u8, 6), length of the device's id (i32), the id,
length of the subject's name (i32), the name, frame (i32), part of a frame (f32), frame rate as numerator and
denominator (i32 each), number of values (u8, 61), the values (f32). Their order is that of Unreal's EARFaceBlendShape,
where left comes before right; the app's CSV has jaw and mouth the other way round.
"""

from __future__ import annotations

import errno
import ipaddress
import itertools
import socket
import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.core.rates import FPS
from emotalk.motion.livelink import ANGLE_COLUMNS, CHANNELS, SHAPE_COLUMNS, livelink_rows

PORT = 11111
"""Where Unreal Engine listens by default."""
VERSION = 6
LONGEST_NAME = 64
"""Bytes of a subject's name; Unreal reads up to 256."""
LATE = 0.5
"""Seconds behind time after which the rest is sent from now on, instead of all at once."""
_SWAPPED = {"jawRight": "jawLeft", "jawLeft": "jawRight", "mouthRight": "mouthLeft", "mouthLeft": "mouthRight"}
PACKET_COLUMNS: tuple[str, ...] = (*(_SWAPPED.get(name, name) for name in SHAPE_COLUMNS), *ANGLE_COLUMNS)
"""What the 61 values of a packet are, in order."""
_FROM_ROW = [(*SHAPE_COLUMNS, *ANGLE_COLUMNS).index(name) for name in PACKET_COLUMNS]


@dataclass(frozen=True)
class Receiver:
    """An address that was looked up once: where every packet goes."""

    family: socket.AddressFamily
    address: tuple  # what `sendto` takes
    many: bool  # more than one machine may listen there


def parse_receiver(text: str, many: bool = False) -> Receiver:
    """The receiver behind HOST, HOST:PORT or [IPv6]:PORT; without a port it is 11111.

    Raises InputError for what is no such address or has no machine, and, unless `many`, for one that many machines
    listen to (broadcast or multicast): a face is sent to where it is wanted.
    """
    host, port = _host_and_port(text)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise InputError(f"No machine {host!r:.80} is known here; check the name, or give its number.") from error
    family, _, _, _, address = found[0]
    number = ipaddress.ip_address(address[0].partition("%")[0])
    if number.is_unspecified:
        raise InputError(f"{host} is no machine that can be sent to; for this one give 127.0.0.1.")
    public = number.is_multicast or number == ipaddress.ip_address("255.255.255.255")
    if public and not many:
        raise InputError(f"Many machines listen at {host}; name one machine, or say --many.")
    return Receiver(family, address, many)


def livelink_packet(
    values: np.ndarray,  # [61] in the order of PACKET_COLUMNS
    frame: int,
    name: str = "emotalk",
) -> bytes:
    """One packet: what the face called `name` does at a frame, counted at 25 a second.

    Raises InputError for a name that is empty, not printable or longer than 64 bytes.
    """
    subject = name.encode("utf-8", "replace") if name.isprintable() else b""
    if not 0 < len(subject) <= LONGEST_NAME or not name.strip():
        raise InputError(f"The face needs a printable name of 1 to {LONGEST_NAME} bytes, found {name!r:.80}.")
    # Some readers take an id of 36 letters for granted. The same name gives the same one.
    device = str(uuid.uuid5(uuid.NAMESPACE_URL, f"emotalk:{name}")).upper().encode()
    return b"".join([
        struct.pack(">Bi", VERSION, len(device)), device,
        struct.pack(">i", len(subject)), subject,
        struct.pack(">ifii", frame & 0x7FFFFFFF, 0.0, FPS, 1),
        struct.pack(f">B{CHANNELS}f", CHANNELS, *values),
    ])  # fmt: skip


def send_livelink(
    motion: HeadMotion,
    receiver: Receiver,
    name: str = "emotalk",
    loop: bool = False,
    start_frame: int = 0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Sends the motion at 25 frames a second, with `loop` over and over until it is interrupted.

    Returns how many packets went out. Frames are counted from `start_frame`.

    Nobody may listen: UDP does not tell. Raises InputError where the network refuses, or the motion is empty.
    """
    rows = livelink_rows(motion)[:, _FROM_ROW]
    if not len(rows):
        raise InputError("The motion has no frames; there is nothing to send.")
    with socket.socket(receiver.family, socket.SOCK_DGRAM) as sender:
        if receiver.many:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        due = clock()
        for frame in itertools.count():
            if frame == len(rows) and not loop:
                return frame
            wait = due - clock()
            if wait > 0:
                sleep(wait)
            elif wait < -LATE:  # the machine slept, or was stopped
                due -= wait
            _send(sender, livelink_packet(rows[frame % len(rows)], start_frame + frame, name), receiver)
            due += 1 / FPS
    raise AssertionError  # `count` does not end


def _send(sender: socket.socket, packet: bytes, receiver: Receiver) -> None:
    try:
        sender.sendto(packet, receiver.address)
    except ConnectionRefusedError:
        pass  # nobody listens yet: an answer to an earlier packet
    except OSError as error:
        where = receiver.address[0]
        if error.errno == errno.EACCES and not receiver.many:
            raise InputError(f"Many machines listen at {where}; name one machine, or say --many.") from error
        raise InputError(f"Nothing can be sent to {where}: {error.strerror or error}.") from error


def _host_and_port(text: str) -> tuple[str, int]:
    text = text.strip()
    try:
        return str(ipaddress.IPv6Address(text)), PORT
    except ValueError:
        pass
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        raise InputError(f"An address is HOST:PORT, for example 192.168.1.5:{PORT}, found {text!r:.80}.")
    return host, int(port)
