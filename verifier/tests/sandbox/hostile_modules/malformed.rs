//! Bytes that are no module, or one that lies about itself.

use super::{super::support::WORDCOUNT, Hostile, INVALID, little};

/// A section: id, length, content.
pub(super) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    let mut length = content.len();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

pub(super) fn binary(sections: &[&[u8]]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0", sections.concat().as_slice()].concat()
}

const TYPE: &[u8] = b"\x01\x04\x01\x60\0\0";
pub(super) const FUNCTION: &[u8] = b"\x03\x02\x01\0";
const EXPORT: &[u8] = b"\x07\x0a\x01\x06_start\0\0";
pub(super) const CODE: &[u8] = b"\x0a\x04\x01\x02\0\x0b";
const HUGE: &[u8] = b"\xff\xff\xff\xff\x0f";

pub(super) fn malformed() -> Vec<Hostile> {
    let cut = binary(&[TYPE, FUNCTION, EXPORT, &CODE[..4]]);
    vec![
        little("nothing at all", &["not_wasm"], Vec::new()),
        little("the magic alone", &["not_wasm", "invalid_module"], b"\0asm".to_vec()),
        little("a version of the future", INVALID, b"\0asm\xff\xff\0\0".to_vec()),
        little(
            "text of eight megabytes",
            &["text_format", "module_too_large"],
            b"(".repeat(8 << 20),
        ),
        little("compiled code", &["not_wasm"], [b"\x7fELF\x02\x01\x01", &[0; 64][..]].concat()),
        little("a section longer than the module", INVALID, binary(&[&[1], HUGE])),
        little(
            "a length of more bytes than LEB128 has",
            INVALID,
            binary(&[b"\x01\xff\xff\xff\xff\xff\x7f"]),
        ),
        little("four billion types", INVALID, binary(&[&section(1, HUGE)])),
        little("four billion functions", INVALID, binary(&[TYPE, &section(3, HUGE)])),
        little(
            "four billion bodies",
            INVALID,
            binary(&[TYPE, FUNCTION, EXPORT, &section(10, HUGE)]),
        ),
        little("four billion locals", &["invalid_module"], {
            let body = [b"\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b", &[][..]].concat();
            binary(&[TYPE, FUNCTION, EXPORT, &section(10, &body)])
        }),
        little(
            "four billion parameters",
            INVALID,
            binary(&[&section(1, &[b"\x01\x60", HUGE].concat())]),
        ),
        little("sections in disorder", INVALID, binary(&[FUNCTION, TYPE, EXPORT, CODE])),
        little("the same section twice", INVALID, binary(&[TYPE, TYPE, FUNCTION, EXPORT, CODE])),
        little(
            "an unknown section",
            INVALID,
            binary(&[TYPE, FUNCTION, EXPORT, &section(99, b"x"), CODE]),
        ),
        little("functions without bodies", &["invalid_module"], binary(&[TYPE, FUNCTION, EXPORT])),
        little("bodies without functions", INVALID, binary(&[TYPE, CODE])),
        little("a body that is cut off", INVALID, cut),
        little("an unknown instruction", INVALID, {
            binary(&[TYPE, FUNCTION, EXPORT, &section(10, b"\x01\x03\0\xff\x0b")])
        }),
        little("a name that is not UTF-8", INVALID, {
            binary(&[TYPE, &section(2, b"\x01\x02\xff\xfe\x01x\0\0"), FUNCTION])
        }),
        little("two exports of one name", INVALID, {
            let twice = b"\x02\x06_start\0\0\x06_start\0\0";
            binary(&[TYPE, FUNCTION, &section(7, twice), CODE])
        }),
        little("a memory that is larger than its maximum", INVALID, {
            binary(&[TYPE, FUNCTION, b"\x05\x04\x01\x01\x09\x01", EXPORT, CODE])
        }),
        little("a body that takes from an empty stack", INVALID, {
            binary(&[TYPE, FUNCTION, EXPORT, &section(10, b"\x01\x04\0\x6a\x1a\x0b")])
        }),
        little(
            "an honest guest with a bit turned in its code",
            &[
                "invalid_module",
                "success",
                "unreachable",
                "fuel",
                "exit",
                "memory",
                "out of bounds",
            ],
            {
                let mut module = WORDCOUNT.to_vec();
                let middle = module.len() / 2;
                module[middle] ^= 0x40;
                module
            },
        ),
        little("a custom section of eight megabytes", &["success", "module_too_large"], {
            let name = [&b"\x01x"[..], &vec![0; 8 << 20]].concat();
            binary(&[TYPE, FUNCTION, EXPORT, CODE, &section(0, &name)])
        }),
    ]
}
