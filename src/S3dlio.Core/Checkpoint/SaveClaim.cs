using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>A save that ranks agreed on.</summary>
/// <param name="SaveId">Its id.</param>
/// <param name="ClaimKey">The claim that says so; null where the id was given.</param>
public sealed record AgreedSave(string SaveId, string? ClaimKey);

/// <summary>
/// How ranks that cannot talk to each other come to the same save id: the first to come creates <c>saves/ckpt-STEP.json</c>, the others
/// read it. A claim is spent when a manifest of its id exists; the next save of the step replaces it then. One that was never committed is
/// joined again: its save crashed or is under way, and shards never overwrite each other.
/// </summary>
/// <remarks>
/// Why an id cannot come back after its checkpoint was deleted: a delete removes the claim before the manifest, and a rank that found no
/// manifest looks at the claim once more.
/// </remarks>
public static class SaveClaim
{
    const int MaxLength = 4096;

    const int Attempts = 100;

    /// <summary>A claim that is joined after so long is written once more: a prune takes old ones for those of dead saves.</summary>
    static readonly TimeSpan FreshFor = TimeSpan.FromMinutes(10);

    /// <param name="store">The checkpoint store.</param>
    /// <param name="step">The step to be saved.</param>
    /// <param name="saveId">An id that all ranks were given; null: they agree here.</param>
    /// <param name="run">The job, where several may save the same step; the same for all its ranks.</param>
    /// <exception cref="StoreException">AlreadyExists: a checkpoint of that id is there.</exception>
    public static async ValueTask<AgreedSave> AgreeAsync(
        ObjectStore store, long step, string? saveId, string? run, CancellationToken cancel)
    {
        if (saveId is not null)
        {
            SaveId.Check(saveId, "save_id", store.Root.ToString());
            string slot = CheckpointLayout.ManifestKey(step, saveId);
            if (await CheckpointObjects.HeadAsync(store, slot, cancel).ConfigureAwait(false) is not null)
                throw new StoreException(
                    ErrorKind.AlreadyExists, store.Root.Child(slot),
                    $"step {step} was saved under the save id '{saveId}' before; a save needs an id of its own");
            return new AgreedSave(saveId, null);
        }
        if (run is not null)
            SaveId.Check(run, "run_id", store.Root.ToString());
        string key = CheckpointLayout.ClaimKey(step, run);
        for (int i = 0; i < Attempts; i++)
        {
            if (await TryAgreeAsync(store, step, key, cancel).ConfigureAwait(false) is { } id)
                return new AgreedSave(id, key);
        }
        throw new StoreException(
            ErrorKind.Unavailable, store.Root.Child(key),
            $"others changed the claim of step {step} {Attempts} times in a row; give the ranks a save_id");
    }

    /// <summary>Removes the claims of one save, so that no further rank joins it.</summary>
    public static async ValueTask WithdrawAsync(ObjectStore store, long step, string saveId, CancellationToken cancel)
    {
        foreach (var entry in await CheckpointObjects.ListAsync(store, CheckpointLayout.ClaimsOf(step), cancel).ConfigureAwait(false))
        {
            if (await ReadAsync(store, entry.Key, cancel).ConfigureAwait(false) is { } claim && claim.Step == step && claim.Id == saveId)
                await CheckpointObjects.DeleteAsync(store, [entry.Key], cancel).ConfigureAwait(false);
        }
    }

    /// <summary>What a claim says; null where there is none. One that is damaged says nothing.</summary>
    internal static async ValueTask<(long Step, string? Id, ObjectMeta? Meta)?> ReadAsync(
        ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            if (await CheckpointObjects.ReadAsync(store, key, MaxLength, cancel).ConfigureAwait(false) is not { } read)
                return null;
            string uri = store.Root.Child(key);
            var fields = new JsonFields(
                JsonFields.Parse(read.Bytes, "a claim", ErrorKind.InvalidData, uri), "a claim", ErrorKind.InvalidData, uri);
            string id = fields.Text("save_id");
            return (fields.Integer("global_step", 0, long.MaxValue), SaveId.IsValid(id) ? id : null, read.Meta);
        }
        catch (StoreException error) when (CheckpointObjects.IsDamage(error))
        {
            return (-1, null, await CheckpointObjects.HeadAsync(store, key, cancel).ConfigureAwait(false));
        }
    }

    static async ValueTask<string?> TryAgreeAsync(ObjectStore store, long step, string key, CancellationToken cancel)
    {
        var found = await ReadAsync(store, key, cancel).ConfigureAwait(false);
        if (found is not { } claim)
            return await TryWriteAsync(store, step, key, SaveId.New(DateTimeOffset.UtcNow), null, cancel).ConfigureAwait(false);
        if (claim.Step == step && claim.Id is { } id
            && await CheckpointObjects.HeadAsync(store, CheckpointLayout.ManifestKey(step, id), cancel).ConfigureAwait(false) is null)
        {
            if (claim.Meta is { } meta && DateTimeOffset.UtcNow - meta.LastModified > FreshFor
                    && await TryWriteAsync(store, step, key, id, meta, cancel).ConfigureAwait(false) is null)
                return null;
            // a checkpoint that was deleted meanwhile took its claim with it first
            var again = await ReadAsync(store, key, cancel).ConfigureAwait(false);
            return again?.Id == id ? id : null;
        }
        return await TryWriteAsync(store, step, key, SaveId.New(DateTimeOffset.UtcNow), claim.Meta, cancel).ConfigureAwait(false);
    }

    /// <summary>Claims that id in the place of what was there, unless another rank was quicker.</summary>
    static async ValueTask<string?> TryWriteAsync(
        ObjectStore store, long step, string key, string id, ObjectMeta? replaced, CancellationToken cancel)
    {
        byte[] text = JsonText.Object(json =>
        {
            json.WriteNumber("global_step", step);
            json.WriteString("save_id", id);
        });
        var options = PutOptions.Default with { Durable = false };
        options = replaced?.ETag is { } tag ? options with { IfMatch = tag } : options with { Overwrite = replaced is not null };
        try
        {
            await CheckpointObjects.PutAsync(store, key, text, options, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind is ErrorKind.AlreadyExists or ErrorKind.Precondition or ErrorKind.NotFound)
        {
            return null;
        }
        // a server that takes no conditions let the last one win: all read what that one wrote
        return (await ReadAsync(store, key, cancel).ConfigureAwait(false))?.Id;
    }
}
