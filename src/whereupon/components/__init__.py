"""The parts: streams, stores, channels and sources, one file each, none knowing another; nothing above connect.

To add one, say a channel that posts to a chat room:

1. Write `components/channels/chat.py`. Its first line says in one sentence what it delivers by.
2. Declare its settings as a `Config`: each field with type, default, bounds, `title` and `description`. That class is
   the form, the file format, the check and the help. `SecretStr` marks a secret, `Annotated[str, Part("store")]`
   another part that is opened and passed in, `Annotated[..., Ui(advanced=True)]` what few people need. `kit/config.py`
   has what many share: `SendingConfig`, `TrustingConfig`. A required field has `examples`: the tests are made of them.
3. Write the class under its role's decorator, `@channel("chat", title="Chat room", config=ChatConfig)`. The base class
   in `kit/roles.py` says what each method promises, in which thread it is called and what it may raise. A channel with
   nothing to win from concurrency of its own writes `send(message)` and lets `kit/one_by_one.py` run it; `traits` name
   the fields it can't do without (`ChannelTraits`, in `model/content.py`).
4. Write `check()`: the Test button's stages (found, connected, allowed, ...), each with a sentence for a person.
5. Raise the errors of `model/errors.py` by what follows from them: `Refused` (this one never), `Unavailable` (later),
   `Away` (nobody is there), `SetupError` (a person has to act).
6. Import heavy clients inside the method that opens the connection.
7. Add `tests/unit/components/channels/test_chat.py`. In `tests/contract`, add the kind to the list, and tell `Sinks`
   how its other side is started and what arrived there; the suite does the rest.

Nothing is registered anywhere else: the registry finds the file. A package of its own needs two files, the module and a
`pyproject.toml` that names it (the module, not the class); `whereupon doctor` says what can't be loaded:

    [project.entry-points."whereupon.components"]
    chat = "whereupon_chat"
"""
