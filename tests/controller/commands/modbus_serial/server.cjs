"use strict";
// A Modbus server by modbus-serial. The line on standard input is {"3": {address: word}, "4": {address: word}} for the function
// codes 3 and 4; what is not there is refused with exception 2. It prints a line once it listens at the port of its argument, and
// ends with its input.
const readline = require("node:readline");
const {ServerTCP} = require("modbus-serial");

readline.createInterface({input: process.stdin}).once("line", (line) => {
    const image = JSON.parse(line);
    const word = (fc, address, cb) => (address in image[fc] ? cb(null, image[fc][address]) : cb({modbusErrorCode: 2}, null));
    const server = new ServerTCP(
        {
            getHoldingRegister: (address, unit, cb) => word("3", address, cb),
            getInputRegister: (address, unit, cb) => word("4", address, cb),
        },
        {host: "127.0.0.1", port: Number(process.argv[2]), unitID: 255},
    );
    server.on("serverError", (error) => { throw error; });
    server.on("initialized", () => process.stdout.write("listens\n"));
}).once("close", () => process.exit(0));
