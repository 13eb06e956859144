// For every line of hexadecimal digits on standard input: the value that hessian.js reads in there, written again.
// `error` and what it said where it cannot.
"use strict";
const readline = require("readline");
const { DecoderV2, EncoderV2 } = require("hessian.js");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let said;
  try {
    const value = new DecoderV2(Buffer.from(line, "hex")).read(true);
    const encoder = new EncoderV2();
    encoder.write(value);
    said = encoder.get().toString("hex");
  } catch (error) {
    said = "error " + JSON.stringify(String(error));
  }
  process.stdout.write(said + "\n");
});
