import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { InvalidInputError } from '../runtime/errors';
import { type PageFiles, POLICY } from './page';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** A server that runs until it is closed. */
export interface PageServer {
  url: string;
  close(): Promise<void>;
}

/**
 * Serves the files of the page from memory to this machine alone (127.0.0.1); it keeps no state and answers GET and HEAD only.
 * @param port 0 takes a free one.
 * @throws InvalidInputError when the port is taken or not allowed.
 */
export async function servePage(files: PageFiles, port: number): Promise<PageServer> {
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').split('?')[0].slice(1) || 'index.html';
    const content = files.get(name);
    const headers = {
      'Content-Security-Policy': `${POLICY}; frame-ancestors 'none'`,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-cache',
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { ...headers, Allow: 'GET, HEAD' }).end();
    } else if (!content) {
      response.writeHead(404, { ...headers, 'Content-Type': 'text/plain' }).end('Not found\n');
    } else {
      response.writeHead(200, {
        ...headers,
        'Content-Type': TYPES[extname(name)],
        'Content-Length': content.length,
      });
      response.end(request.method === 'HEAD' ? undefined : content);
    }
  });
  await listen(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code = 'an error', message }: NodeJS.ErrnoException) => {
      const given = {
        EADDRINUSE: `port ${port}, which another program listens on`,
        EACCES: `port ${port}, which needs more rights`,
      };
      reject(
        new InvalidInputError('Option --port', {
          given: given[code as keyof typeof given] ?? `port ${port} (${message})`,
          expected: 'a free port',
          remedy: 'Choose another one, or --port 0 for any free one.',
        }),
      );
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}
