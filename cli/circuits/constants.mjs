// Prints the round constants of preimage.circom: c_0 = 0, c_i = SHA-256("fog/mimc5/v1/" || i) mod r.
// Anyone can run it again and compare: the constants have nothing up their sleeve.
import { createHash } from "node:crypto";

const r = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const rounds = 110; // ceil(log_5(r)): the degree reaches the size of the field

for (let i = 0; i < rounds; i++) {
  const digest = createHash("sha256").update(`fog/mimc5/v1/${i}`).digest("hex");
  const c = i === 0 ? 0n : BigInt("0x" + digest) % r;
  console.log(`    c[${i}] = ${c};`);
}
