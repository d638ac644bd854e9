"""An agent: a model that answers, or asks for a tool and gets the result.

The model here is a mock that speaks as the real ones do: text with a JSON block in it
when it wants a tool. Each question is a job; the turns of its conversation go round in
the flow, and many conversations go on at once.

    ask ──► model ──► extract ──► route ──► answer
              ▲                   │  │
              ├──── calculate ◄───┘  │
              └──── look_up ◄────────┘
"""

import ast
import json
import operator

from routilux import Flow, Routine, Runtime, get_current_job, immediate_policy
from routilux.builtin_routines import ConditionalRouter, ResultExtractor

FACTS = {"the speed of light": 299_792_458, "the answer": 42}
OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv}


def mock_model(messages):
    """Answer as a language model would, from the conversation so far."""
    question = messages[0]["content"]
    results = [m["content"] for m in messages if m["role"] == "tool"]
    if question in FACTS or question.startswith("twice "):
        name = question.removeprefix("twice ")
        if not results:
            call = {"tool": "look_up", "input": name}
        elif question != name and len(results) == 1:
            call = {"tool": "calculate", "input": f"2 * {results[0]}"}
        else:
            call = {"tool": "answer", "input": results[-1]}
    elif question[0].isdigit() and not results:
        call = {"tool": "calculate", "input": question}
    else:
        call = {"tool": "answer", "input": results[-1] if results else "no idea"}
    return f"Let me see.\n```json\n{json.dumps(call)}\n```\n"


def calculate(text):
    """Return the value of an arithmetic expression."""

    def value(node):
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        return node.value

    return value(ast.parse(text, mode="eval").body)


class Turn(Routine):
    """A routine of the conversation, which lies in the data of the job."""

    def __init__(self):
        super().__init__()
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(immediate_policy())

    def say(self, role, content):
        get_current_job().data.setdefault("messages", []).append(
            {"role": role, "content": content}
        )


class Ask(Turn):
    def logic(self, slot_data, policy_message, worker_state):
        self.say("user", slot_data["input"][0]["question"])
        self.emit("output")


class Model(Turn):
    def logic(self, slot_data, policy_message, worker_state):
        text = mock_model(get_current_job().get_data("messages"))
        self.say("assistant", text)
        self.emit("output", data=text)


class Tool(Turn):
    """Calls a function, the configuration `function`, and tells the model."""

    def logic(self, slot_data, policy_message, worker_state):
        call = slot_data["input"][0]["data"]
        self.say("tool", self.get_config("function")(call["input"]))
        self.emit("output")


class Answer(Turn):
    def logic(self, slot_data, policy_message, worker_state):
        get_current_job().set_result(slot_data["input"][0]["data"]["input"])


def build():
    flow = Flow("agent")
    route = ConditionalRouter()
    route.set_config(routes=[(n, {"tool": n}) for n in ("calculate", "look_up")])
    route.set_config(default_route="answer")
    flow.pipe(Ask(), "ask").pipe(Model(), "model").pipe(ResultExtractor(), "extract")
    flow.pipe(route, "route").pipe(Answer(), "answer", from_event="answer")
    for name, function in (("calculate", calculate), ("look_up", FACTS.get)):
        tool = Tool()
        tool.set_config(function=function)
        flow.pipe(tool, name, from_routine="route", from_event=name)
        flow.connect(name, "output", "model", "input")
    return flow


if __name__ == "__main__":
    questions = ["6 * 7", "the answer", "twice the speed of light", "why?"]
    with Runtime(thread_pool_size=4) as runtime:
        runtime.exec(build())
        items = [{"question": question} for question in questions]
        jobs = runtime.post_many("agent", "ask", "input", items)
        for question, job in zip(questions, jobs, strict=True):
            answer = job.result(timeout=10)
            turns = len(job.get_data("messages")) // 2
            print(f"{question}: {answer} ({turns} turns)")
