"""A name server for the tests: name_server.py NAME TYPE DATA [NAME TYPE DATA ...]. Prints its port, over UDP and TCP.

SRV data is PRIORITY:PORT:HOST, TXT data a text. A name that begins with `big.` is answered in full over TCP alone.
"""

import socket
import struct
import sys
import threading

TYPES = {"TXT": 16, "SRV": 33}


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def data(kind, text):
    if kind == "TXT":
        # In pieces, as long texts are.
        pieces = [text[at : at + 7].encode() for at in range(0, len(text), 7)]
        return b"".join(bytes([len(piece)]) + piece for piece in pieces)
    priority, port, host = text.split(":")
    return struct.pack(">HHH", int(priority), 0, int(port)) + labels(host)


def answer(query, records, whole):
    at = 12
    name = []
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    name, (kind,) = ".".join(name), struct.unpack(">H", query[at + 1 : at + 3])
    known = [(n, k, d) for n, k, d in records if n == name]
    found = [data(k, d) for _, k, d in known if TYPES[k] == kind]
    cut = not whole and "big." in name and found
    flags = 0x8180 | (0x0200 if cut else 0) | (0 if known else 3)
    head = query[:2] + struct.pack(">HHHHH", flags, 1, 0 if cut else len(found), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(d)) + d for d in found)
    return head + query[12 : at + 5] + (b"" if cut else body)


def over_tcp(listener, records):
    while True:
        connection, _ = listener.accept()
        (size,) = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))
        said = answer(connection.recv(size, socket.MSG_WAITALL), records, True)
        connection.sendall(struct.pack(">H", len(said)) + said)
        connection.close()


def main():
    words = sys.argv[1:]
    records = [tuple(words[at : at + 3]) for at in range(0, len(words), 3)]
    listener = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(listener.getsockname())
    threading.Thread(target=over_tcp, args=(listener, records), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    while True:
        query, sender = udp.recvfrom(4096)
        udp.sendto(answer(query, records, False), sender)


main()
