namespace S3dlio.Table;

/// <summary>
/// How often keys without a row were seen, about: a count-min sketch of bytes whose counts are halved from time to time, so that a key is
/// admitted for what was seen of it lately. The counts depend on the order of batches alone and are part of a checkpoint.
/// </summary>
sealed class Admission(int after)
{
    /// <summary>Counters of a row; a power of two.</summary>
    const int Width = 1 << 14;

    const int Rows = 4, SightingsBeforeHalving = 8 * Width;

    /// <summary>Bytes of the state: the counters, and how many sightings came since they were halved.</summary>
    public const int StateBytes = (Rows * Width) + sizeof(long);

    readonly byte[] _counts = new byte[Rows * Width];
    long _sightings;

    /// <summary>Counts a sighting of a key.</summary>
    /// <returns>True when the key was seen often enough to get a row.</returns>
    public bool IsAdmitted(ulong hash)
    {
        int least = int.MaxValue;
        for (int row = 0; row < Rows; row++)
            least = Math.Min(least, _counts[PlaceOf(hash, row)]);
        if (least + 1 >= after)
            return true;
        // only the counters that are least: the others are of other keys
        for (int row = 0; row < Rows; row++)
        {
            ref byte count = ref _counts[PlaceOf(hash, row)];
            if (count == least)
                count++;
        }
        if (++_sightings >= SightingsBeforeHalving)
            Halve();
        return false;
    }

    public byte[] ToBytes()
    {
        var state = new byte[StateBytes];
        _counts.CopyTo(state, 0);
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(state.AsSpan(_counts.Length), _sightings);
        return state;
    }

    public void Take(ReadOnlySpan<byte> state)
    {
        state[.._counts.Length].CopyTo(_counts);
        _sightings = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(state[_counts.Length..]);
    }

    static int PlaceOf(ulong hash, int row) =>
        (row * Width) + ((int)((hash * (0x9E3779B97F4A7C15 + ((ulong)row * 0xD6E8FEB86659FD92))) >> 40) & (Width - 1));

    void Halve()
    {
        _sightings = 0;
        foreach (ref byte count in _counts.AsSpan())
            count >>= 1;
    }
}
