// Put into the page by bench/explore.ts: milliseconds between frames, and what the page's own callbacks of a frame take.
globalThis.frameTimes = [];
globalThis.drawTimes = [];
const original = requestAnimationFrame;
globalThis.requestAnimationFrame = (callback) =>
  original((now) => {
    const began = performance.now();
    callback(now);
    drawTimes.push(performance.now() - began);
  });
let last;
const watch = (now) => {
  if (last !== undefined) frameTimes.push(now - last);
  last = now;
  original(watch);
};
original(watch);
