"""Counts the messages that never arrived, by the numbers that their publisher gave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class SequenceGaps:
    """Gaps in the numbers of each topic.

    The middleware tells no more of a message's publisher than its number. Numbers that do not rise are of several
    publishers, or of one that began anew: gaps of such a topic say nothing and are not counted.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._gaps: Counter[str] = Counter()
        self._mixed: set[str] = set()

    def hear(self, topic: str, number: int | None) -> None:
        """Take the number of a message that has arrived; None or 0: the middleware tells none."""
        if not number or topic in self._mixed:
            return
        last = self._last.get(topic, number - 1)  # what was before the first was not meant for us
        if number <= last:
            self._mixed.add(topic)
        self._gaps[topic] += number - last - 1
        self._last[topic] = number

    def lost(self) -> Counter[str]:
        """Return the number of messages missing between those that arrived, by topic; only topics with any."""
        return Counter({topic: n for topic, n in self._gaps.items() if n > 0 and topic not in self._mixed})

    def behind(self, sent: Mapping[str, tuple[int, int]]) -> Counter[str]:
        """Return the number of messages missing after the last that arrived, by topic; only topics with any.

        Args:
            sent: How many messages the only publisher of a topic had sent before we listened, and has sent in all.
        """
        missing = Counter(
            {topic: total - max(self._last.get(topic, 0), before) for topic, (before, total) in sent.items()}
        )
        return Counter({topic: n for topic, n in missing.items() if n > 0 and topic not in self._mixed})
