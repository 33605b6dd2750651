using System.Runtime.CompilerServices;
using S3dlio.Cli.Addresses;
using S3dlio.Storage;

namespace S3dlio.Cli.Transfers;

/// <summary>
/// Two trees side by side: objects of the same relative path come together. Both are listed in the order of their keys, so nothing is held.
/// </summary>
static class Join
{
    public static async IAsyncEnumerable<(Found? Left, Found? Right)> SideBySideAsync(
        IAsyncEnumerable<Found> left, IAsyncEnumerable<Found> right, [EnumeratorCancellation] CancellationToken cancel)
    {
        await using var one = new Ordered(left, cancel);
        await using var other = new Ordered(right, cancel);
        await Task.WhenAll(one.NextAsync().AsTask(), other.NextAsync().AsTask());
        while (one.Current is not null || other.Current is not null)
        {
            int order = one.Current is not { } a ? 1 : other.Current is not { } b ? -1 : ObjectKey.Compare(a.Relative, b.Relative);
            yield return (order <= 0 ? one.Current : null, order >= 0 ? other.Current : null);
            if (order <= 0)
                await one.NextAsync();
            if (order >= 0)
                await other.NextAsync();
        }
    }

    /// <summary>A listing that was out of order would make one object look like two: as missing here and as left over there.</summary>
    sealed class Ordered(IAsyncEnumerable<Found> source, CancellationToken cancel) : IAsyncDisposable
    {
        readonly IAsyncEnumerator<Found> _items = source.GetAsyncEnumerator(cancel);

        public Found? Current { get; private set; }

        public async ValueTask NextAsync()
        {
            var before = Current;
            Current = await _items.MoveNextAsync() ? _items.Current : null;
            if (before is { } last && Current is { } now && ObjectKey.Compare(last.Relative, now.Relative) >= 0)
                throw new StoreException(ErrorKind.InvalidData, now.Address,
                    $"the store listed it behind {last.Address}: its listing is out of order, and nothing can be told from it");
        }

        public ValueTask DisposeAsync() => _items.DisposeAsync();
    }
}
