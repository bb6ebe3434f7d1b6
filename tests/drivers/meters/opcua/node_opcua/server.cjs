// OPC UA servers of another maker, with what the tests ask for in JSON on the command line; says "ready" when they listen.
//
// {folder, certificate, key, applicationUri, servers: [{port, policies, modes, anonymous, users, subscriptions, items}]}
// `users`: certificates (DER, base64) that may log in. `subscriptions`, `items`: how many there is room for.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const {OPCUACertificateManager} = require("node-opcua-certificate-manager");
const {DataValue} = require("node-opcua-data-value");
const {MessageSecurityMode, SecurityPolicy} = require("node-opcua-secure-channel");
const {OPCUAServer} = require("node-opcua-server");
const {StatusCodes} = require("node-opcua-status-code");
const {DataType, Variant} = require("node-opcua-variant");

const UNECE = "http://www.opcfoundation.org/UA/units/un/cefact";
const CODES = {W: 5723220, kW: 4937556, Wh: 5720146, Hz: 4740186, CEL: 4408652};

function variable(server, parent, namespace, name, value, unit, {id = CODES[unit] ?? -1, stamp, dataType = DataType.Double, of} = {}) {
  const space = server.engine.addressSpace;
  const browseName = of ? {name, namespaceIndex: of.index} : name;
  const node = namespace.addVariable({componentOf: parent, nodeId: `s=${parent.browseName.name}.${name}`, browseName, dataType});
  const read = () => new DataValue({
    value: new Variant({dataType, value}), statusCode: StatusCodes.Good, sourceTimestamp: stamp ?? new Date(),
  });
  node.bindVariable({timestamped_get: read}, true);
  if (unit === undefined) return;
  const type = space.findDataType("EUInformation");
  const information = space.constructExtensionObject(
    type, {namespaceUri: UNECE, unitId: id, displayName: {text: unit}, description: {text: ""}},
  );
  namespace.addVariable({
    propertyOf: node, browseName: {name: "EngineeringUnits", namespaceIndex: 0}, typeDefinition: "PropertyType",
    dataType: type, value: {dataType: DataType.ExtensionObject, value: information},
  });
}

function fill(server) {
  const space = server.engine.addressSpace;
  const own = space.registerNamespace("urn:another:station");
  const feeder = own.addObject({organizedBy: space.rootFolder.objects, nodeId: "s=Feeder7", browseName: "Feeder7"});
  variable(server, feeder, own, "Power", 812.5, "kW");
  variable(server, feeder, own, "Loud", 812.5, "KW");
  variable(server, feeder, own, "Bracketed", 812.5, "[kW]");
  variable(server, feeder, own, "Electrical", 0.8125, "MW el");
  variable(server, feeder, own, "Small", 0.8125, "mw");
  variable(server, feeder, own, "Gross", 0.8125, "MW gross");
  variable(server, feeder, own, "Contradicted", 0.8125, "MW", {id: CODES.CEL});
  variable(server, feeder, own, "Bare", 812.5);
  variable(server, feeder, own, "Counts", 8125, undefined, {dataType: DataType.Int16});
  variable(server, feeder, own, "Stamped", 812.5, "kW", {stamp: new Date("2016-05-04T03:02:01Z")});
  const ecm = space.registerNamespace("http://opcfoundation.org/UA/ECM/");
  const meter = own.addObject({organizedBy: space.rootFolder.objects, nodeId: "s=Meter", browseName: "Meter"});
  const measured = {of: ecm, dataType: DataType.Float};
  variable(server, meter, own, "AcActivePowerTotal", 812500, "W", measured);
  variable(server, meter, own, "AcFrequency", 50, "Hz", measured);
  variable(server, meter, own, "AcActiveEnergyTotalImportLp", 12345600, "Wh", measured);
  variable(server, meter, own, "AcActiveEnergyTotalImportHp", 12345678, "Wh", {of: ecm});
  variable(server, meter, own, "AcActiveEnergyTotalExportHp", 1200, "Wh", {of: ecm});
}

async function serve(all, {port, policies, modes, anonymous, users, subscriptions, items}) {
  const certificates = async (name) => {
    const made = new OPCUACertificateManager({
      rootFolder: path.join(all.folder, `${name}-${port}`), automaticallyAcceptUnknownCertificate: name === "clients",
    });
    await made.initialize();
    return made;
  };
  const [clients, known] = [await certificates("clients"), await certificates("users")];
  for (const user of users ?? []) await known.trustCertificate(Buffer.from(user, "base64"));
  const server = new OPCUAServer({
    port, hostname: "127.0.0.1", alternateHostname: ["127.0.0.1"], certificateFile: all.certificate, privateKeyFile: all.key,
    serverInfo: {applicationUri: all.applicationUri},
    serverCertificateManager: clients, userCertificateManager: known, allowAnonymous: anonymous,
    securityPolicies: policies.map((each) => SecurityPolicy[each]), securityModes: modes.map((each) => MessageSecurityMode[each]),
  });
  await server.initialize();
  fill(server);
  await server.start();
  const room = server.engine.serverCapabilities; // not in its options, where 0 is no number
  room.maxSubscriptionsPerSession = subscriptions ?? room.maxSubscriptionsPerSession;
  room.maxMonitoredItemsPerSubscription = items ?? room.maxMonitoredItemsPerSubscription;
}

async function main() {
  const all = JSON.parse(process.argv[2]);
  fs.mkdirSync(all.folder, {recursive: true});
  await Promise.all(all.servers.map((each) => serve(all, each)));
  console.log("ready");
  process.stdin.on("end", () => process.exit(0)).resume();
}

main().catch((error) => { console.error(error); process.exit(1); });
