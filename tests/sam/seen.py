"""What is known while events are sent: the ids of what they left, and two ways to look, over HTTP and in SQL."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from local.demo.sample import Connection


@dataclass
class Seen:
    """``ids`` are those of what earlier events left, by the names in their statements."""

    bucket: str
    http: httpx.Client
    mysql: Connection
    ids: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        """The JSON of a GET, which has to be a 200."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def count(self, table: str) -> int:
        """How many rows a table has now."""
        with self.mysql.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
            ((found,),) = cursor.fetchall()
        return int(found)
