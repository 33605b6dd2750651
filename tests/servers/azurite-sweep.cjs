// Loaded before Azurite, which deletes the bytes of overwritten and deleted blobs every ten minutes, in one go that answers no request and
// takes the square of their number: a minute or two in the middle of a long suite. Here it does so every few seconds, while there are few,
// and answers between any two of them.
const source = `${process.env.AZURITE_ROOT}/node_modules/azurite/dist/src`;
require(`${source}/blob/utils/constants`).DEFAULT_GC_INTERVAL_MS = Number(process.env.AZURITE_SWEEP_MS ?? 5000);
const { prototype } = require(`${source}/common/persistence/MemoryExtentStore`).default;
const deleteAtOnce = prototype.deleteExtents;
prototype.deleteExtents = async function (extents) {
  let count = 0;
  for (const extent of extents) {
    count += await deleteAtOnce.call(this, [extent]);
    await new Promise(setImmediate);
  }
  return count;
};
