using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Datasets;

/// <summary>A sample of a batch: a whole object or a stretch of one, and the memory that it goes to.</summary>
/// <param name="Object">Index of the object.</param>
/// <param name="Offset">Where it begins there.</param>
/// <param name="Target">Where its bytes go; as long as the sample.</param>
/// <param name="Expected">The CRC32C that it must have; null where the data set knows none.</param>
public readonly record struct SampleRead(int Object, long Offset, LargeMemory Target, Checksum? Expected);

/// <summary>What became of a batch.</summary>
/// <param name="Failures">For each sample what it failed with, or null.</param>
/// <param name="Hedged">Second requests for what took long.</param>
public readonly record struct SampleReport(StoreException?[] Failures, int Hedged);

/// <summary>Reads a batch of samples, each to its place, each failure kept with its sample while the rest goes on.</summary>
public static class SampleReads
{
    /// <param name="objects">The objects.</param>
    /// <param name="samples">What of them is read; those of one object come in few requests.</param>
    /// <param name="whole">Each sample is all of its object, which must be as long: it is compared with the checksum recorded with
    /// it.</param>
    /// <param name="validate">False: whole objects are handed out unchecked.</param>
    /// <param name="inFlight">How many objects are open at once.</param>
    /// <param name="hedgeAfter">An object that takes longer is asked for a second time; null: none is.</param>
    /// <param name="progress">Receives the number of objects.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<SampleReport> ReadAsync(
        IReadOnlyList<ObjectRef> objects, IReadOnlyList<SampleRead> samples, bool whole, bool validate, int inFlight,
        TimeSpan? hedgeAfter, ITransferProgress progress, CancellationToken cancel)
    {
        // with second requests none of the threads may be held by the first
        int requests = objects.Count == 0 || hedgeAfter is not null ? 0 : objects[0].Store.RequestsAtOnce;
        if (whole)
        {
            progress.Begin(samples.Count);
            var twice = new Hedge(hedgeAfter, samples.Count);
            return new SampleReport(await Bulk.RunAsync(samples.Count, inFlight, requests, async (i, stop) =>
            {
                var place = objects[samples[i].Object];
                if (twice.IsOn)
                {
                    await twice.RunAsync(async (asked, end) =>
                    {
                        await WholeAsync(place, asked[0], validate, end).ConfigureAwait(false);
                        return [];
                    }, [samples[i]], stop).ConfigureAwait(false);
                }
                else
                {
                    await WholeAsync(place, samples[i], validate, stop).ConfigureAwait(false);
                }
                progress.Report(1);
            }, i => objects[samples[i].Object].Uri, cancel).ConfigureAwait(false), twice.Begun);
        }
        // nothing is asked for a sample of no bytes
        var groups = Enumerable.Range(0, samples.Count).Where(i => samples[i].Target.Length > 0).GroupBy(i => samples[i].Object)
            .Select(group => group.OrderBy(i => samples[i].Offset).ToArray()).ToArray();
        var failures = new StoreException?[samples.Count];
        var hedge = new Hedge(hedgeAfter, groups.Length);
        progress.Begin(groups.Length);
        // opening is a request, or at least a system call, for each object
        await ThreadSwitch.ToPoolAsync();
        var ofGroups = await Bulk.RunAsync(groups.Length, inFlight, requests, async (i, stop) =>
        {
            var place = objects[samples[groups[i][0]].Object];
            var found = await hedge.RunAsync(
                (asked, end) => GroupAsync(place, asked, end), Array.ConvertAll(groups[i], member => samples[member]), stop)
                .ConfigureAwait(false);
            for (int member = 0; member < found.Length; member++)
                failures[groups[i][member]] = found[member];
            progress.Report(1);
        }, i => objects[samples[groups[i][0]].Object].Uri, cancel).ConfigureAwait(false);
        for (int i = 0; i < groups.Length; i++)
        {
            if (ofGroups[i] is not { } failure)
                continue;
            foreach (int member in groups[i])
                failures[member] ??= failure;
        }
        return new SampleReport(failures, hedge.Begun);
    }

    static async ValueTask WholeAsync(ObjectRef place, SampleRead sample, bool validate, CancellationToken cancel)
    {
        LargeMemory Allocate(long size) =>
            size == sample.Target.Length ? sample.Target : throw new StoreException(ErrorKind.InvalidData, place.Uri,
            $"the object has {size} bytes, the data set was made when it had {sample.Target.Length}: it was written anew; "
            + "list or index the data set again");
        await ObjectRead.WholeAsync(
            place.Store, place.Key, Allocate, new Validation(sample.Expected, validate), NoProgress.Instance, cancel).ConfigureAwait(false);
    }

    /// <returns>For each sample what it failed with, or null.</returns>
    static async ValueTask<StoreException?[]> GroupAsync(ObjectRef place, SampleRead[] samples, CancellationToken cancel)
    {
        var failures = new StoreException?[samples.Length];
        // with the first stretch, not the whole object, the request that opens it brings nothing unwanted
        var options = new ReadOptions { FirstOffset = samples[0].Offset, FirstLength = samples[0].Target.Length };
        var reader = await ObjectInput.OpenAsync(place.Store, place.Key, Decompress.Never, options, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            var good = new List<int>(samples.Length);
            for (int member = 0; member < samples.Length; member++)
            {
                var sample = samples[member];
                if (sample.Offset > reader.Meta.Size - sample.Target.Length)
                {
                    failures[member] = new StoreException(ErrorKind.InvalidData, place.Uri,
                        $"bytes {sample.Offset}..{(decimal)sample.Offset + sample.Target.Length} are a sample, the object has "
                        + $"{reader.Meta.Size}: it was cut short or written anew; index it again", sample.Offset);
                }
                else
                {
                    good.Add(member);
                }
            }
            try
            {
                await ReadAsync(reader, place, samples, good, failures, cancel).ConfigureAwait(false);
            }
            catch (StoreException) when (good.Count > 1)
            {
                // which of them it was: one by one
                foreach (int member in good)
                {
                    try
                    {
                        await ReadAsync(reader, place, samples, [member], failures, cancel).ConfigureAwait(false);
                    }
                    catch (StoreException failure)
                    {
                        failures[member] = failure;
                    }
                }
            }
        }
        return failures;
    }

    static async ValueTask ReadAsync(
        ObjectReader reader, ObjectRef place, SampleRead[] samples, List<int> members, StoreException?[] failures,
        CancellationToken cancel)
    {
        var verification = members.Exists(member => samples[member].Expected is not null) ? ReadVerification.HashOnly : null;
        var ranges = members.ConvertAll(member => new LargeReadRange(samples[member].Offset, samples[member].Target));
        var found = await ParallelRead.ReadAsync(reader, ranges, verification, null, cancel).ConfigureAwait(false);
        for (int i = 0; i < found.Length; i++)
        {
            var sample = samples[members[i]];
            if (sample.Expected is Checksum expected && expected != found[i])
            {
                failures[members[i]] = new StoreException(ErrorKind.ChecksumMismatch, place.Uri,
                    $"checksum mismatch over bytes {sample.Offset}..{sample.Offset + sample.Target.Length}: {expected} expected, "
                    + $"{found[i]} found", sample.Offset);
            }
        }
    }
}
