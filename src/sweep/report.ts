export async function reportSweep(..._: unknown[]) {
  return { text: '' };
}
