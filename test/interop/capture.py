"""Writes every packet that crosses the loopback to a file, until its input ends. Says `ready` first, or why it cannot."""

import select
import socket
import sys

ETH_P_ALL = 0x0003
SOL_SOCKET_RCVBUFFORCE = 33


def main(path: str) -> int:
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        packets.bind(("lo", 0))
    except (OSError, AttributeError) as error:
        print(f"cannot capture: {error}", flush=True)
        return 1
    packets.setsockopt(socket.SOL_SOCKET, SOL_SOCKET_RCVBUFFORCE, 64 * 2**20)
    print("ready", flush=True)
    with open(path, "wb") as captured:
        while True:
            readable, _, _ = select.select([packets, sys.stdin], [], [])
            if packets in readable:
                captured.write(packets.recv(65536 + 64))
            elif sys.stdin in readable and not sys.stdin.readline():
                return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
