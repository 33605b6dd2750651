namespace S3dlio.Storage.Multi;

/// <summary>
/// Several endpoints as one store. As replicas they show the same objects: each call goes to the one that the strategy names, and to the
/// next when that one is down. Otherwise each has objects of its own: a new key goes where the strategy says, and is read, replaced and
/// deleted there; a key that did not pass through here is looked for at all of them, and where several have it the newest counts.
/// </summary>
public sealed partial class MultiStore : DelegatingStore
{
    readonly Endpoint[] _endpoints;
    readonly MultiOptions _options;
    readonly KeyLocationCache _locations = new();
    readonly SemaphoreSlim[] _claims = [.. Enumerable.Range(0, 64).Select(static _ => new SemaphoreSlim(1))];
    uint _turn;

    /// <param name="root">The address of the whole; keys are the same below each endpoint's own root.</param>
    /// <param name="endpoints">One to 32 stores and what to call them in statistics.</param>
    public MultiStore(
        StoreUri root, IReadOnlyList<(ObjectStore Store, string Name)> endpoints, MultiOptions options, TimeProvider? clock = null)
    {
        if (endpoints.Count is 0 or > MultiOptions.MostEndpoints)
            throw StoreException.InvalidArgument(root.ToString(),
                $"option 'endpoints' must name 1 to {MultiOptions.MostEndpoints}, found {endpoints.Count}");
        Root = root;
        _options = options;
        _endpoints = [.. endpoints.Select(
                endpoint => new Endpoint(endpoint.Store, endpoint.Name, options.Cooldown, clock ?? TimeProvider.System))];
    }

    public override StoreUri Root { get; }

    // every member is overridden, which a test holds: what one endpoint says is not what all say
    protected override ObjectStore Inner => _endpoints[0].Store;

    /// <remarks>False for near endpoints too: a call may wait for its turn.</remarks>
    public override bool IsNear => false;

    public override bool IsQuickAt(string key) => false;

    public override bool IsBrief(long length, PutOptions options) => false;

    public override int RequestsAtOnce =>
        Array.TrueForAll(_endpoints, endpoint => endpoint.Store.RequestsAtOnce > 0)
            ? _endpoints.Sum(endpoint => endpoint.Store.RequestsAtOnce)
            : 0;

    public override IReadOnlyCollection<string> WritableAttributes =>
        [.. _endpoints[0].Store.WritableAttributes.Where(
                name => _endpoints.All(endpoint => endpoint.Store.WritableAttributes.Contains(name)))];

    public override bool IsSameAs(ObjectStore other) => this == other;

    public override string Origin => string.Join(' ', _endpoints.Select(endpoint => $"{endpoint.Store.Origin} {endpoint.Store.Root}"));

    public override bool TagsEachWrite => _endpoints.All(static endpoint => endpoint.Store.TagsEachWrite);

    public IReadOnlyList<EndpointStatistics> Statistics => [.. _endpoints.Select(endpoint => endpoint.Statistics)];

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel) =>
        ReadAsync(key, store => store.HeadAsync(key, cancel), cancel);

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        Endpoint? holder = null;
        var reader = await ReadAsync(key, (endpoint, store) =>
        {
            holder = endpoint;
            return store.OpenReadAsync(key, options, cancel);
        }, cancel).ConfigureAwait(false);
        return new MultiReader(holder!, reader);
    }

    public override ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel) =>
        options.Method is "PUT" && IsKey(key)
            ? RunAnyAsync(store => store.PresignAsync(key, options, cancel))
            : ReadAsync(key, store => store.PresignAsync(key, options, cancel), cancel);

    public override async ValueTask<bool> IsDirectoryAsync(string key, CancellationToken cancel)
    {
        CheckIsKey(key);
        if (_options.Replicas)
            return await RunAnyAsync(store => store.IsDirectoryAsync(key, cancel)).ConfigureAwait(false);
        foreach (var endpoint in _endpoints)
        {
            if (await endpoint.RunAsync(store => store.IsDirectoryAsync(key, cancel)).ConfigureAwait(false))
                return true;
        }
        return false;
    }

    public override ValueTask MakeDirectoryAsync(string key, CancellationToken cancel) =>
        OnEachAsync(key, store => store.MakeDirectoryAsync(key, cancel));

    public override ValueTask FlushDirectoryAsync(string key, CancellationToken cancel) =>
        OnEachAsync(key, store => store.FlushDirectoryAsync(key, cancel));

    public override ValueTask SweepDirectoryAsync(string key, CancellationToken cancel) =>
        OnEachAsync(key, store => store.SweepDirectoryAsync(key, cancel));

    public override ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel) =>
        OnEachAsync(key, store => store.RemoveDirectoryAsync(key, cancel));

    /// <summary>Of replicas each object counts once; what one endpoint cannot do better leaves the whole to listing and deleting.</summary>
    public override async ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel)
    {
        var all = new TreeDelete(0, 0, null);
        foreach (var endpoint in _endpoints)
        {
            var one = await endpoint.RunAsync(store => store.DeleteTreeAsync(path, progress, cancel)).ConfigureAwait(false);
            if (one is null)
                return null;
            long deleted = _options.Replicas ? Math.Max(all.Deleted, one.Deleted) : all.Deleted + one.Deleted;
            all = new TreeDelete(deleted, all.Failed + one.Failed, all.First ?? one.First);
        }
        return all;
    }

    async ValueTask OnEachAsync(string key, Func<ObjectStore, ValueTask> call)
    {
        CheckIsKey(key);
        foreach (var endpoint in _endpoints)
            await endpoint.RunAsync(call).ConfigureAwait(false);
    }

    ValueTask<T> ReadAsync<T>(string key, Func<ObjectStore, ValueTask<T>> call, CancellationToken cancel) =>
        ReadAsync(key, (_, store) => call(store), cancel);

    /// <summary>Runs a call that reads one object where that object is.</summary>
    async ValueTask<T> ReadAsync<T>(string key, Func<Endpoint, ObjectStore, ValueTask<T>> call, CancellationToken cancel)
    {
        CheckIsKey(key);
        if (_options.Replicas)
            return await RunAnyAsync(call).ConfigureAwait(false);
        if (_locations.Find(key) is { } known)
        {
            try
            {
                return await known.RunAsync(store => call(known, store)).ConfigureAwait(false);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
            {
                // another program may have moved it
                _locations.Forget(key);
            }
        }
        var holder = await FindAsync(key, cancel).ConfigureAwait(false);
        // with no holder the first endpoint says in its own words that there is no such object
        var asked = holder ?? _endpoints[0];
        return await asked.RunAsync(store => call(asked, store)).ConfigureAwait(false);
    }

    /// <summary>The endpoint that has the newest object of that key, looked for at all; null when all say that there is none.</summary>
    /// <exception cref="StoreException">None has it, and one could not say.</exception>
    async ValueTask<Endpoint?> FindAsync(string key, CancellationToken cancel)
    {
        var found = await AskAllAsync(key, cancel).ConfigureAwait(false);
        var holder = Newest(found);
        if (holder is not null)
            _locations.Set(key, holder);
        else if (Array.Find(found, answer => answer.Error is not null)?.Error is { } error)
            throw error;
        return holder;
    }

    static Endpoint? Newest(IEnumerable<Answer> answers) =>
        answers.Where(answer => answer.Meta is not null).MaxBy(answer => answer.Meta!.LastModified)?.Endpoint;

    async ValueTask<Answer[]> AskAllAsync(string key, CancellationToken cancel)
    {
        var answers = _endpoints.Select(async endpoint =>
        {
            try
            {
                return new Answer(
                    endpoint, await endpoint.RunAsync(store => store.HeadAsync(key, cancel), isSearch: true).ConfigureAwait(false), null);
            }
            catch (StoreException error)
            {
                return new Answer(endpoint, null, error.Kind == ErrorKind.NotFound ? null : error);
            }
        }).ToArray();
        return await Task.WhenAll(answers).ConfigureAwait(false);
    }

    static bool IsKey(string key) => !StoreUri.IsAddress(key);

    /// <summary>
    /// An address would be a key like any other to the endpoints, and an object below one of them be called <c>file:/…</c>.
    /// </summary>
    void CheckIsKey(string key)
    {
        if (!IsKey(key))
            throw StoreException.InvalidArgument(key,
                "a whole address where a key is wanted; give the key below the endpoints, which are "
                + $"{string.Join(", ", _endpoints.Select(endpoint => endpoint.Store.Root.ToString()).Distinct())}");
    }

    /// <summary>What one endpoint says of a key; all null when it has no such object.</summary>
    sealed record Answer(Endpoint Endpoint, ObjectMeta? Meta, StoreException? Error);

    ValueTask<T> RunAnyAsync<T>(Func<ObjectStore, ValueTask<T>> call) => RunAnyAsync((_, store) => call(store));

    /// <summary>Runs a call at the endpoint whose turn it is, and at the next as long as one is down.</summary>
    ValueTask<T> RunAnyAsync<T>(Func<Endpoint, ObjectStore, ValueTask<T>> call) => RunFirstAsync(Order(), call, passesOn: true);

    static async ValueTask<T> RunFirstAsync<T>(Endpoint[] order, Func<Endpoint, ObjectStore, ValueTask<T>> call, bool passesOn)
    {
        for (int i = 0; ; i++)
        {
            var endpoint = order[i];
            try
            {
                return await endpoint.RunAsync(store => call(endpoint, store)).ConfigureAwait(false);
            }
            catch (StoreException error) when (passesOn && Endpoint.IsDown(error) && i + 1 < order.Length)
            {
                // the next one takes it; if none does, the last one's failure is told
            }
        }
    }

    /// <summary>All endpoints, the one to ask first before the others; those that failed lately come last.</summary>
    Endpoint[] Order()
    {
        int first = (int)((Interlocked.Increment(ref _turn) - 1) % (uint)_endpoints.Length);
        var turned = Enumerable.Range(0, _endpoints.Length).Select(i => _endpoints[(first + i) % _endpoints.Length]);
        return _options.Strategy == EndpointStrategy.LeastConnections
            ? [.. turned.OrderBy(endpoint => endpoint.IsAvoided).ThenBy(endpoint => endpoint.InFlight)]
            : [.. turned.OrderBy(endpoint => endpoint.IsAvoided)];
    }
}
