// Looks at every page of the built site as a person would: pictures, and what a page does that it should not.
//
//   mkdocs build --strict && npm install --prefix build/npm --no-save puppeteer-core
//   NODE_PATH=build/npm/node_modules node docs/look.mjs [--width 390] [page …]
//
// Pictures go to build/pictures/WIDTH/; each finding is a line, and any makes it end with 1: requests that fail or leave the site, errors of
// scripts, pages wider than the window, diagrams that are not drawn, links to anchors that are not there. CHROMIUM names another browser.
import { createServer } from 'node:http';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const puppeteer = createRequire(import.meta.url)('puppeteer-core');
const site = path.resolve('build/site');
const given = process.argv.slice(2);
const at = given.indexOf('--width');
const width = at < 0 ? 1280 : Number(given.splice(at, 2)[1]);
const kinds = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png' };

const server = createServer(async (request, answer) => {
  const name = decodeURIComponent(new URL(request.url, 'http://site').pathname);
  const file = path.join(site, name.endsWith('/') ? `${name}index.html` : name);
  try {
    const data = await readFile(file);
    answer.writeHead(200, { 'content-type': kinds[path.extname(file)] ?? 'application/octet-stream' }).end(data);
  } catch {
    answer.writeHead(404).end();
  }
});
await new Promise(done => server.listen(0, '127.0.0.1', done));
const root = `http://127.0.0.1:${server.address().port}`;

const files = await readdir(site, { recursive: true });
const pages = files.filter(file => file.endsWith('index.html')).map(file => file.slice(0, -'index.html'.length)).sort();
const chosen = given.length ? pages.filter(page => given.includes(page.replace(/\/$/, '') || 'index')) : pages;
const pictures = path.join('build/pictures', String(width));
await mkdir(pictures, { recursive: true });

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
let findings = 0;
try {
  for (const page of chosen) {
    const name = page.replace(/\/$/, '').replaceAll('/', '-') || 'index';
    const tab = await browser.newPage();
    const told = [];
    tab.on('pageerror', error => told.push(`a script fails: ${error.message}`));
    tab.on('requestfailed', request => told.push(`${request.url()} cannot be had`));
    tab.on('response', answer => answer.status() >= 400 && told.push(`${answer.url()}: ${answer.status()}`));
    tab.on('request', request => /^https?:/.test(request.url()) && !request.url().startsWith(root) && told.push(`asks ${request.url()}`));
    await tab.setViewport({ width, height: 900 });
    await tab.goto(`${root}/${page}`, { waitUntil: 'networkidle0', timeout: 120_000 });
    told.push(...await tab.evaluate(() => {
      const found = [];
      const wide = document.documentElement.scrollWidth - window.innerWidth;
      if (wide > 1) found.push(`is ${wide} px wider than the window`);
      if (document.querySelectorAll('article h1').length !== 1) found.push(`has ${document.querySelectorAll('article h1').length} headings of the first level`);
      for (const image of document.images) if (!image.naturalWidth) found.push(`${image.src} is no picture`);
      for (const block of document.querySelectorAll('pre.mermaid')) found.push(`a diagram is not drawn: ${block.textContent.slice(0, 40)}`);
      for (const link of document.querySelectorAll('article a[href^="#"], nav a[href^="#"]'))
        if (link.hash.length > 1 && !document.getElementById(decodeURIComponent(link.hash.slice(1)))) found.push(`${link.hash} is not there`);
      return found;
    }));
    // within the page, not the page: what a reader would have to scroll sideways for
    await tab.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
    for (const one of new Set(told)) console.log(`${page || 'index'}: ${one}`);
    findings += told.length;
    await tab.close();
  }
} finally {
  await browser.close();
  server.close();
}
console.log(`${chosen.length} pages, ${findings} findings; pictures in ${pictures}/`);
process.exitCode = findings ? 1 : 0;
