// Notes and pictures on a board: GET / is the health check, POST /notes and GET /notes/<id> keep
// text in the database, PUT, GET and DELETE /pictures/<name> keep files in the bucket.
// DELETE /notes/<id> is for who knows the moderators' key, where there is one.
const http = require("node:http");
const { S3Client, PutObjectCommand, GetObjectCommand, DeleteObjectCommand } = require("@aws-sdk/client-s3");
const { Pool } = require("pg");

const Bucket = process.env.PICTURES;
const s3 = new S3Client({ region: process.env.PICTURES_REGION });
const pool = new Pool({ max: 2, ssl: { rejectUnauthorized: process.env.TLS === "verify-full" } });

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

async function picture(request, response, Key) {
  if (request.method === "PUT") {
    const ContentType = request.headers["content-type"];
    await s3.send(new PutObjectCommand({ Bucket, Key, ContentType, Body: await read(request) }));
    return send(response, 201, { name: Key });
  }
  if (request.method === "DELETE") {
    await s3.send(new DeleteObjectCommand({ Bucket, Key }));
    return send(response, 200, {});
  }
  try {
    const found = await s3.send(new GetObjectCommand({ Bucket, Key }));
    response.writeHead(200, { "content-type": found.ContentType ?? "application/octet-stream" });
    return found.Body.pipe(response);
  } catch (error) {
    if (error.name !== "NoSuchKey") throw error;
    return send(response, 404, {});
  }
}

async function answer(request, response) {
  const name = request.url.match(/^\/pictures\/([\w.-]+)$/)?.[1];
  if (name) return picture(request, response, name);
  const id = request.url.match(/^\/notes\/(\d+)$/)?.[1];
  if (request.method === "POST" && request.url === "/notes") {
    const { text } = JSON.parse(await read(request));
    const added = await pool.query("INSERT INTO notes (text) VALUES ($1) RETURNING *", [text]);
    return send(response, 201, added.rows[0]);
  }
  if (request.method === "GET" && id) {
    const found = await pool.query("SELECT * FROM notes WHERE id = $1", [id]);
    return send(response, found.rowCount ? 200 : 404, found.rows[0] ?? {});
  }
  if (request.method === "DELETE" && id) {
    const key = process.env.MODERATOR_KEY;
    if (!key || request.headers["x-moderator"] !== key) return send(response, 403, {});
    await pool.query("DELETE FROM notes WHERE id = $1", [id]);
    return send(response, 200, {});
  }
  return send(response, request.url === "/" ? 200 : 404, {});
}

const server = http.createServer((request, response) =>
  answer(request, response).catch((error) => send(response, 500, { error: error.message })),
);
server.listen(3000);
process.on("SIGTERM", () => server.close(() => pool.end()));
