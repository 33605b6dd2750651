namespace S3dlio.Tensors;

public sealed partial class TensorSlice
{
    /// <summary>The byte ranges to read, in the order of the file. Pieces are joined while the gap between them is at most maxGap
    /// and the whole at most maxRange. Each enumeration walks again and holds one index per dimension.</summary>
    public IEnumerable<SliceRange> Ranges()
    {
        if (ResultLength == 0)
            yield break;
        if (axes.Length == 0)
        {
            yield return new SliceRange(sourceBase, runBytes, 0, 1);
            yield break;
        }

        // blocks: the innermost axes whose pieces all join into one range
        int inner = axes.Length;
        long blockBytes = runBytes, blockRuns = 1;
        while (inner > 0 && Joins(axes[inner - 1], blockBytes) && Extent(axes[inner - 1], blockBytes) <= maxRange)
        {
            inner--;
            blockBytes = Extent(axes[inner], blockBytes);
            blockRuns *= axes[inner].Count;
        }
        if (inner == 0)
        {
            yield return new SliceRange(sourceBase, blockBytes, 0, blockRuns);
            yield break;
        }

        // along the last of the outer axes as many blocks are taken at once as fit a range
        int last = inner - 1;
        bool joins = Joins(axes[last], blockBytes);
        long[] index = new long[inner];
        long begin = sourceBase, end = sourceBase, firstRun = 0, runs = 0;
        while (true)
        {
            long offset = sourceBase;
            for (int a = 0; a < inner; a++)
                offset += index[a] * axes[a].SourceStride;
            bool extends = runs > 0 && offset - end <= maxGap && offset + blockBytes - begin <= maxRange;
            if (!extends)
            {
                if (runs > 0)
                    yield return new SliceRange(begin, end - begin, firstRun, runs);
                (begin, firstRun, runs) = (offset, firstRun + runs, 0);
            }

            long take = 1;
            if (joins)
            {
                long room = maxRange - (offset - begin) - blockBytes;
                take = Math.Min(axes[last].Count - index[last], 1 + Math.Max(0, room) / axes[last].SourceStride);
            }
            end = offset + (take - 1) * axes[last].SourceStride + blockBytes;
            runs += take * blockRuns;

            index[last] += take;
            int carry = last;
            while (carry > 0 && index[carry] == axes[carry].Count)
            {
                index[carry] = 0;
                index[--carry]++;
            }
            if (index[0] == axes[0].Count)
                break;
        }
        yield return new SliceRange(begin, end - begin, firstRun, runs);
    }

    bool Joins(Axis axis, long bytes) => axis.SourceStride - bytes <= maxGap;

    static long Extent(Axis axis, long bytes) => (axis.Count - 1) * axis.SourceStride + bytes;
}
