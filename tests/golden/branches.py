"""If, Elif, Else and OneOf: one branch runs, and what it gave goes on."""

from kfp import dsl


@dsl.component(base_image="python:3.11")
def flip(sides: int = 3) -> int:
    """Throw a coin of several sides."""
    return sides - 1


@dsl.component(base_image="python:3.11")
def say(text: str) -> str:
    """Hand a text on."""
    return text


@dsl.pipeline(name="branches", description="Chooses one of three branches.")
def branches(sides: int = 3) -> str:
    """Choose one of three branches."""
    coin = flip(sides=sides)
    with dsl.If(coin.output == 0, name="heads"):
        heads = say(text="heads")
    with dsl.Elif(coin.output == 1, name="tails"):
        tails = say(text="tails")
    with dsl.Else(name="edge"):
        edge = say(text=f"edge {coin.output}")
    return say(text=dsl.OneOf(heads.output, tails.output, edge.output)).output
