"""Live Link Face over UDP: a loopback receiver reads back what a phone would have sent, in the time it should take."""

import socket
import struct

import numpy as np
import pytest

from emotalk.core.arkit import ARKIT_INDEX
from emotalk.core.errors import InputError
from emotalk.core.motion import HeadMotion
from emotalk.motion.livelink import SHAPE_COLUMNS
from emotalk.motion.livelink_udp import PACKET_COLUMNS, Receiver, livelink_packet, parse_receiver, send_livelink

ENUMERATION = """
EyeBlinkLeft EyeLookDownLeft EyeLookInLeft EyeLookOutLeft EyeLookUpLeft EyeSquintLeft EyeWideLeft EyeBlinkRight
EyeLookDownRight EyeLookInRight EyeLookOutRight EyeLookUpRight EyeSquintRight EyeWideRight JawForward JawLeft JawRight
JawOpen MouthClose MouthFunnel MouthPucker MouthLeft MouthRight MouthSmileLeft MouthSmileRight MouthFrownLeft
MouthFrownRight MouthDimpleLeft MouthDimpleRight MouthStretchLeft MouthStretchRight MouthRollLower MouthRollUpper
MouthShrugLower MouthShrugUpper MouthPressLeft MouthPressRight MouthLowerDownLeft MouthLowerDownRight MouthUpperUpLeft
MouthUpperUpRight BrowDownLeft BrowDownRight BrowInnerUp BrowOuterUpLeft BrowOuterUpRight CheekPuff CheekSquintLeft
CheekSquintRight NoseSneerLeft NoseSneerRight TongueOut HeadYaw HeadPitch HeadRoll LeftEyeYaw LeftEyePitch LeftEyeRoll
RightEyeYaw RightEyePitch RightEyeRoll
"""
"""EARFaceBlendShape, as Epic's documentation lists it."""
UNREAL = ENUMERATION.split()


def parse(packet):
    """A reader of packets, written from the format's description: name, frame, rate and values by name."""
    assert packet[0] == 6
    at, texts = 1, []
    for _ in range(2):
        (length,) = struct.unpack_from(">i", packet, at)
        texts.append(packet[at + 4 : at + 4 + length].decode())
        at += 4 + length
    frame, part, rate, denominator, count = struct.unpack_from(">ifiiB", packet, at)
    values = struct.unpack_from(f">{count}f", packet, at + 17)
    assert (count, at + 17 + 4 * count) == (61, len(packet))
    return {
        "device": texts[0], "name": texts[1], "frame": frame + part, "rate": rate / denominator,
        "values": dict(zip(UNREAL, values, strict=True)),
    }  # fmt: skip


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now, self.naps = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def receiver_of(listener) -> Receiver:
    return parse_receiver(f"127.0.0.1:{listener.getsockname()[1]}")


def motion_of(frames: int, **coefficients) -> HeadMotion:
    """The coefficients; besides it looks left and up, has its lids half shut and turns its head to its left."""
    expression = np.zeros((frames, 52))
    for name, value in coefficients.items():
        expression[:, ARKIT_INDEX[name]] = value
    gaze, eyelids, pose = (np.tile(row, (frames, 1)) for row in ([0.3, 0.1], [0.5, 0.5], [0, 0.2, 0, 0, 0, 0]))
    return HeadMotion(expression, np.zeros((frames, 3)), gaze, eyelids, pose)


def test_values_stand_in_the_order_of_unreals_enumeration():
    assert [name[0].upper() + name[1:] for name in PACKET_COLUMNS] == UNREAL
    assert sorted(PACKET_COLUMNS[:52]) == sorted(SHAPE_COLUMNS)
    assert PACKET_COLUMNS[:52] != SHAPE_COLUMNS, "the CSV has jaw and mouth the other way round"


def test_a_receiver_reads_every_frame_back(listener):
    clock = Clock()
    ramp = np.linspace(0, 1, 5)
    motion = motion_of(5, jawOpen=ramp, jawLeft=0.25, mouthRight=0.75, mouthSmileLeft=0.5)
    assert send_livelink(motion, receiver_of(listener), "Mira", start_frame=1000, clock=clock, sleep=clock.sleep) == 5
    packets = [parse(listener.recv(2048)) for _ in range(5)]
    assert [packet["frame"] for packet in packets] == [1000, 1001, 1002, 1003, 1004]
    for packet, jaw in zip(packets, ramp, strict=True):
        assert (packet["name"], packet["rate"], len(packet["device"])) == ("Mira", 25, 36)
        values = packet["values"]
        told = {name: values[name] for name in ("JawOpen", "JawLeft", "JawRight", "MouthLeft", "MouthRight")}
        expected = {"JawOpen": jaw, "JawLeft": 0.25, "JawRight": 0, "MouthLeft": 0, "MouthRight": 0.75}
        assert told == pytest.approx(expected, abs=1e-6)
        assert values["EyeBlinkLeft"] == values["EyeBlinkRight"] == 0.5
        assert values["EyeLookOutLeft"] == pytest.approx(0.5)
        # The phone's signs: yaw falls to the person's left, pitch grows downwards.
        assert (values["LeftEyeYaw"], values["RightEyePitch"]) == pytest.approx((-0.3, -0.1))
        assert (values["HeadYaw"], values["HeadPitch"]) == pytest.approx((-0.2, 0), abs=1e-6)


def test_frames_leave_every_fortieth_of_a_second_without_drift(listener):
    clock = Clock()
    send_livelink(motion_of(50), receiver_of(listener), clock=clock, sleep=clock.sleep)
    assert clock.now - 100 == pytest.approx(49 / 25)
    assert clock.naps == pytest.approx([0.04] * 49)


def test_a_slow_sleep_is_made_up_for_and_a_long_stop_is_not(listener):
    clock = Clock()

    def late(seconds):
        clock.sleep(seconds)
        clock.now += {3: 0.03, 10: 60.0}.get(len(clock.naps), 0)

    send_livelink(motion_of(20), receiver_of(listener), clock=clock, sleep=late)
    assert clock.naps[3] == pytest.approx(0.01)
    assert clock.naps[4:10] == pytest.approx([0.04] * 6)
    assert clock.naps[10:] == pytest.approx([0.04] * (len(clock.naps) - 10)), "not sixty seconds at once"


def test_a_loop_begins_again_and_its_frames_count_on(listener):
    clock = Clock()

    def stop(seconds):
        clock.sleep(seconds)
        if len(clock.naps) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_livelink(motion_of(3, jawOpen=[0, 0.5, 1]), receiver_of(listener), loop=True, clock=clock, sleep=stop)
    packets = [parse(listener.recv(2048)) for _ in range(7)]
    assert [packet["frame"] for packet in packets] == list(range(7))
    assert [packet["values"]["JawOpen"] for packet in packets] == [0, 0.5, 1, 0, 0.5, 1, 0]


def test_packets_have_a_size_that_unreal_accepts():
    for name in ("x", "m" * 64):
        assert 264 <= len(livelink_packet(np.zeros(61), 0, name)) <= 774
    assert parse(livelink_packet(np.zeros(61), 0, "Zoë"))["name"] == "Zoë"


@pytest.mark.parametrize("name", ["", "  ", "m" * 65, "ö" * 33, "a\nb"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(InputError, match="printable name of 1 to 64 bytes"):
        livelink_packet(np.zeros(61), 0, name)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1", ("127.0.0.1", 11111)), ("127.0.0.1:9", ("127.0.0.1", 9)), ("[::1]:9", ("::1", 9))],
)
def test_addresses_are_a_host_and_perhaps_a_port(text, address):
    assert parse_receiver(text).address[:2] == address


@pytest.mark.parametrize("text", ["", ":9", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "[]:9"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputError, match="HOST:PORT"):
        parse_receiver(text)


@pytest.mark.parametrize("text", ["255.255.255.255", "239.1.2.3:9", "[ff02::1]:9"])
def test_an_address_of_many_machines_is_refused_unless_wanted(text):
    with pytest.raises(InputError, match="--many"):
        parse_receiver(text)
    assert parse_receiver(text, many=True).many


def test_no_machine_is_refused(monkeypatch):
    with pytest.raises(InputError, match=r"give 127\.0\.0\.1"):
        parse_receiver("0.0.0.0:9")

    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(InputError, match="No machine 'nowhere'"):
        parse_receiver("nowhere:9")


def test_an_empty_motion_is_refused(listener):
    with pytest.raises(InputError, match="no frames"):
        send_livelink(HeadMotion.neutral(0), receiver_of(listener))
