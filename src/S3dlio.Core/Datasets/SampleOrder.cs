using S3dlio.Storage;

namespace S3dlio.Datasets;

/// <summary>
/// The order of the samples of an epoch: a pure function of (seed, epoch, position), in no memory. With a block it has two levels: blocks
/// of so many neighbouring samples are permuted, then the samples within each window of blocks, so that what is read together lies
/// together.
/// </summary>
public sealed class SampleOrder
{
    readonly long _samples, _block, _window, _blocks, _tail, _tailSlot;
    readonly ulong _key;
    readonly KeyedPermutation _outer;
    KeyedPermutation _inner;
    long _group = -1, _groupStart;

    /// <param name="samples">How many there are, at least 1.</param>
    /// <param name="seed">Chooses the orders of all epochs.</param>
    /// <param name="epoch">Which one, from 0.</param>
    /// <param name="block">Samples of a block; 0: one level, every sample may come anywhere.</param>
    /// <param name="window">Blocks whose samples are mixed, from 1; nothing without a block.</param>
    /// <exception cref="StoreException">InvalidArgument.</exception>
    public SampleOrder(long samples, ulong seed, long epoch, long block, long window)
    {
        if (samples is < 1 or > 1L << 62)
            throw Wrong($"samples is {samples}; 1 to 2^62 are taken");
        if (epoch < 0)
            throw Wrong($"epoch is {epoch}; epochs are counted from 0");
        if (block < 0 || block > samples)
            throw Wrong($"block is {block}; 0, or 1 to the number of samples, {samples}, is taken");
        if (block > 0 && (window < 1 || window > (1L << 62) / block))
            throw Wrong($"window is {window} blocks of {block} samples; 1 to {(1L << 62) / block} are taken");
        (_samples, _block, _window) = (samples, block, window);
        _key = KeyedPermutation.Derive(seed, (ulong)epoch);
        if (block == 0)
        {
            _outer = new KeyedPermutation(samples, _key);
            return;
        }
        _blocks = ((samples - 1) / block) + 1;
        _tail = samples - ((_blocks - 1) * block);
        _outer = new KeyedPermutation(_blocks, _key);
        // where the last block, which may be short, comes: those behind it begin that much earlier
        _tailSlot = _outer.Inverse(_blocks - 1);
    }

    /// <summary>The sample at a position of the epoch.</summary>
    public long At(long position)
    {
        if (_block == 0)
            return _outer.At(position);
        long group = Slot(position) / _window;
        if (group != _group)
        {
            _groupStart = Start(group * _window);
            long end = group + 1 > (_blocks - 1) / _window ? _samples : Start((group + 1) * _window);
            _inner = new KeyedPermutation(end - _groupStart, KeyedPermutation.Derive(_key, (ulong)group));
            _group = group;
        }
        long mixed = _groupStart + _inner.At(position - _groupStart);
        long slot = Slot(mixed);
        return (_outer.At(slot) * _block) + (mixed - Start(slot));
    }

    /// <summary>The samples at the positions from <paramref name="first"/> on.</summary>
    /// <exception cref="StoreException">InvalidArgument: positions that the epoch does not have.</exception>
    public void Fill(long first, Span<long> indices)
    {
        if (first < 0 || first > _samples - indices.Length)
            throw Wrong($"positions {first}..{(decimal)first + indices.Length} are asked for; the epoch has {_samples}");
        for (int i = 0; i < indices.Length; i++)
            indices[i] = At(first + i);
    }

    /// <summary>Where the block in a slot begins.</summary>
    long Start(long slot) => (slot * _block) - (slot > _tailSlot ? _block - _tail : 0);

    long Slot(long position) => position < (_tailSlot * _block) + _tail ? position / _block : (position + _block - _tail) / _block;

    static StoreException Wrong(string detail) => new(ErrorKind.InvalidArgument, "", detail);
}
