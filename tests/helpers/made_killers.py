"""Messages of which one changed byte ends the process of ecCodes 2.50 that decodes them."""

import base64

_WHOLE = {
    "complex": (
        162,
        255,
        "R1JJQv//AAIAAAAAAAAAzQAAABUBAGIAAAQAAQfkAQEAAAAAAAAAAEgDAAAAAAwAAAAABv//////////////"
        "/////wAAAAQAAAADAAAAAP////8Dk4cAAAAAADACYloAAcnDgACYloAAmJaAAAAAACIEAAAAAAAAAP+AAAAA"
        "AQAAAABkAAAAw1D///////8AAAAvBQAAAAwAAkOMJmYABgAAAAABAGJY0ZoAAAAAAAAAAQAAAAAADAEAAAAM"
        "AAAAAAYG/wAAAAUHNzc3Nw==",
    ),
    "differences": (
        162,
        255,
        "R1JJQv//AAIAAAAAAAAA0QAAABUBAGIAAAQAAQfkAQEAAAAAAAAAAEgDAAAAAAwAAAAABv//////////////"
        "/////wAAAAQAAAADAAAAAP////8Dk4cAAAAAADACYloAAcnDgACYloAAmJaAAAAAACIEAAAAAAAAAP+AAAAA"
        "AQAAAABkAAAAw1D///////8AAAAxBQAAAAwAA0OMJmYABgAAAAABAGJY0ZoAAAAAAAAAAQAAAAAADAEAAAAM"
        "AAEBAAAABgb/AAAABwcAADc3Nzc=",
    ),
    "jpeg": (
        186,
        1,
        "R1JJQv//AAIAAAAAAAABUQAAABUBAGIAAAQAAQfkAQEAAAAAAAAAAEgDAAAAAAwAAAAABv//////////////"
        "/////wAAAAQAAAADAAAAAP////8Dk4cAAAAAADACYloAAcnDgACYloAAmJaAAAAAACIEAAAAAAAAAP+AAAAA"
        "AQAAAABkAAAAw1D///////8AAAAXBQAAAAwAKEOMJmaABwAADAAA/wAAAAYG/wAAAKEH/0//UQApAAAAAAAE"
        "AAAAAwAAAAAAAAAAAAAABAAAAAMAAAAAAAAAAAABCwEB/1IADAAAAAEAAQQEAAH/XAAHQGBoaHD/ZAAlAAFD"
        "cmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjL/kAAKAAAAAAAvAAH/k8/kIAdrPl7zgIJ/wfmDQ/YE"
        "gfmBAA2rMhB+PwKdsX8Lhv/ZNzc3Nw==",
    ),
    "png": (
        151,
        1,
        "R1JJQv//AAIAAAAAAAAB+wAAABUBAGIAAAQAAQfkAQEMAAAAAAAAAEgDAAAAAhwAAAAABv//////////////"
        "/////wAAAB4AAAASAAAAAP////8Dk4cAAAAAADCBfXhACKSGQABMS0AATEtAAAAAACIEAAAAAAAAAP+AAAAA"
        "AQAAAABkAAAAw1D///////8AAAAVBQAAAhwAKUOCAACAAgAACAAAAAAGBv8AAAFNB4lQTkcNChoKAAAADUlI"
        "RFIAAAAeAAAAEggAAAAAaZkxBQAAAQ9JREFUKJFNkTtOhEEMg5PYw0vLQ5RcgJ6emhIQ97/DAgIhiBOKmZ+l"
        "tmN9sf3p6vJid3Y8vH6+Pt7f9vvX/fvH53cajk5357hOVbd7BMBBEoC7dVdlJk5SUpdNnSQJhHt3SUIoU+pu"
        "88AygDEDhMpMKavN3AGQgwOIcLMqSFKmVJNgAyDCzRo+5ZSqzCzmPQkg3HDcVVJmSqo29wBBchARgUvrdZ+q"
        "ajOPWIBg4MbNqqRUahoWIQcB3MbWgTIl9XqB5CBxh3C3rqpM/aSkslUBBnE/EbtLlcqNIAIgBh4GAQ+zrsOH"
        "f4R4nCX/I5iE7REAXrh14L1VkNIMAF5wWMmWro3Q8bxW4LaCVkBVt/8CWv7uJ7OVShAAAAAASUVORK5CYII3"
        "Nzc3",
    ),
}
"""Where which byte has to stand, and temperatures at 500 hPa in one packing of GRIB 2 each."""


def killer(packing: str) -> bytes:
    """Return a message that aborts."""
    at, byte, text = _WHOLE[packing]
    message = bytearray(base64.b64decode(text))
    message[at] = byte
    return bytes(message)


PACKINGS = tuple(_WHOLE)
