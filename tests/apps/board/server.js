// Notes on a board: GET / is the health check, POST /notes and GET /notes/<id> are the rest.
const http = require("node:http");
const { Pool } = require("pg");

const pool = new Pool({ max: 2, ssl: { rejectUnauthorized: process.env.TLS === "verify-full" } });

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

async function read(request) {
  let text = "";
  for await (const part of request) text += part;
  return JSON.parse(text);
}

async function answer(request, response) {
  const id = request.url.match(/^\/notes\/(\d+)$/)?.[1];
  if (request.method === "POST" && request.url === "/notes") {
    const { text } = await read(request);
    const added = await pool.query("INSERT INTO notes (text) VALUES ($1) RETURNING *", [text]);
    return send(response, 201, added.rows[0]);
  }
  if (request.method === "GET" && id) {
    const found = await pool.query("SELECT * FROM notes WHERE id = $1", [id]);
    return send(response, found.rowCount ? 200 : 404, found.rows[0] ?? {});
  }
  return send(response, request.url === "/" ? 200 : 404, {});
}

const server = http.createServer((request, response) =>
  answer(request, response).catch((error) => send(response, 500, { error: error.message })),
);
server.listen(3000);
process.on("SIGTERM", () => server.close(() => pool.end()));
