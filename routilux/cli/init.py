"""`routilux init`: a project to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from routilux.cli.session import Session, pass_session, session_options
from routilux.errors import ConfigurationError

__all__ = ["init"]

CONFIG = """\
# Folders whose Python files `routilux` imports before it loads a flow.
[routines]
directories = ["routines"]
"""

ROUTINES = '''\
"""Routines of this project; flows/*.yaml name them as they are registered here."""

from routilux import Routine, immediate_policy
from routilux.cli.decorators import auto_register_routine, register_routine


@register_routine("count_letters", tags=["text"])
def count_letters(item):
    """Add how many letters a name has."""
    return {**item, "letters": len(item["name"])}


@auto_register_routine(tags=["text"])
class Greet(Routine):
    """Greets whoever is named."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output", ["text"])
        self.set_activation_policy(immediate_policy())
        self.set_config(greeting="Hello")

    def logic(self, slot_data, policy_message, worker_state):
        for item in slot_data["input"]:
            person = item["result"]
            text = f"{self.get_config('greeting')}, {person['name']}"
            self.emit("output", text=f"{text}: {person['letters']} letters")
'''

FLOW = """\
# routilux run flows/hello.yaml -p name=Ada
# routilux run flows/hello.yaml --input data/names.jsonl
flow_id: hello

routines:
  count: {class: count_letters}
  greet:
    class: greet
    config: {greeting: Hello}

connections:
  - {from: count.output, to: greet.input}
"""

NAMES = '{"name": "Ada"}\n{"name": "Grace"}\n{"name": "Barbara"}\n'

FILES = {
    "routilux.toml": CONFIG,
    "routines/greetings.py": ROUTINES,
    "flows/hello.yaml": FLOW,
    "data/names.jsonl": NAMES,
    ".gitignore": ".routilux/\n__pycache__/\n",
}


@click.command()
@click.argument("name", default=".")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@session_options
@pass_session
def init(session: Session, name: str, force: bool) -> None:
    """Make a small project, in the folder NAME or the current one."""
    root = Path(name)
    there = [file for file in FILES if (root / file).exists()]
    if there and not force:
        raise ConfigurationError(
            f"{root / there[0]} is there already; --force replaces it"
        )
    for file, text in FILES.items():
        place = root / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    session.say(f"wrote {', '.join(FILES)}")
    go = "" if root == Path() else f"cd {name} && "
    session.say(f"try: {go}routilux run flows/hello.yaml -p name=Ada")
