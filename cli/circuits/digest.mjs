// Prints an input.json for preimage.circom: node digest.mjs PREIMAGE BINDING
// An independent implementation of the circuit's hash, to check the circuit against.
import { createHash } from "node:crypto";

const r = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const [preimage, binding] = process.argv.slice(2).map(BigInt);

let state = preimage;
for (let i = 0; i < 110; i++) {
  const digest = createHash("sha256").update(`fog/mimc5/v1/${i}`).digest("hex");
  const t = (state + (i === 0 ? 0n : BigInt("0x" + digest))) % r;
  state = (((t * t) % r) ** 2n % r) * t % r;
}
console.log(JSON.stringify({
  binding: String(binding),
  digest: String((state + preimage) % r),
  preimage: String(preimage),
}, null, 1));
