using S3dlio.Storage;

namespace S3dlio.Datasets;

/// <summary>
/// Second requests for what takes longer than a mark: of the two the first that ends well counts, and the other is cancelled. A store that
/// is slow as a whole does not get twice the load: a tenth of a call's objects, and one in any case, are asked for twice.
/// </summary>
/// <param name="after">The mark; null: no second requests.</param>
/// <param name="objects">Objects of the call.</param>
sealed class Hedge(TimeSpan? after, int objects)
{
    /// <summary>Bytes at most that a second request brings: they are beyond what the caller counts.</summary>
    const int MostCopied = 16 << 20;

    int _left = Math.Max(1, objects / 10);
    int _begun;

    public bool IsOn => after is not null;

    /// <summary>How many second requests there were.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <param name="read">
    /// Reads into the memory of the samples it is given, and gives what failed of them. The second one gets memory of its own.
    /// </param>
    /// <param name="samples">What is read.</param>
    /// <param name="cancel">Ends both.</param>
    public async ValueTask<StoreException?[]> RunAsync(
        Func<SampleRead[], CancellationToken, ValueTask<StoreException?[]>> read, SampleRead[] samples, CancellationToken cancel)
    {
        if (after is not { } mark || samples.Sum(static sample => sample.Target.Length) > MostCopied)
            return await read(samples, cancel).ConfigureAwait(false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        // on another thread: a read of a file does not give this one back before it has ended
        var first = Task.Run(() => read(samples, stop.Token).AsTask(), CancellationToken.None);
        await Task.WhenAny(first, Task.Delay(mark, stop.Token)).ConfigureAwait(false);
        if (first.IsCompleted || cancel.IsCancellationRequested || Interlocked.Decrement(ref _left) < 0)
            return await first.ConfigureAwait(false);
        Interlocked.Increment(ref _begun);
        // the first one may fill its memory until it has ended
        var copies = Array.ConvertAll(
            samples, sample => sample with { Target = LargeMemory.From(new byte[checked((int)sample.Target.Length)].AsMemory()) });
        var second = Task.Run(() => read(copies, stop.Token).AsTask(), CancellationToken.None);
        var ended = await Task.WhenAny(first, second).ConfigureAwait(false);
        if (!ended.IsCompletedSuccessfully || Array.Exists(ended.Result, static failure => failure is not null))
            ended = ended == first ? second : first;
        await Quiet(ended).ConfigureAwait(false);
        bool isSecond = ended == second && ended.IsCompletedSuccessfully;
        await stop.CancelAsync().ConfigureAwait(false);
        await Quiet(isSecond ? first : second).ConfigureAwait(false);
        if (!isSecond)
            return await first.ConfigureAwait(false);
        for (int i = 0; i < samples.Length; i++)
        {
            int length = (int)samples[i].Target.Length;
            copies[i].Target.Slice(0, length).CopyTo(samples[i].Target.Slice(0, length));
        }
        return await second.ConfigureAwait(false);
    }

    /// <summary>Waits until it has ended, however.</summary>
    static async ValueTask Quiet(Task work) =>
        await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
