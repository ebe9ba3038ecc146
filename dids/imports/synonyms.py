"""What the statuses of other systems probably mean; proposed to the user, never assumed."""

from dids.lifecycle import statuses as st

_WORDS = {
    st.INSTOCK: (
        "free; available; avail; spare; unused; unassigned; unallocated; vacant; idle; stock; not in use;"
        " frei; verfügbar; libre; disponible; livre; disponível; свободен; свободный; вільний"
    ),
    st.ACTIVE: (
        "in use; used; assigned; allocated; in service; working; live; enabled; busy; occupied; connected;"
        " on; belegt; vergeben; aktiv; genutzt; en service; occupé; attribué; ocupado; asignado; activo;"
        " ativo; atribuído; занят; занятый; используется; активен; зайнятий; активний"
    ),
    st.RESERVED: "reserve; res; reserviert; réservé; reservado; резерв; зарезервирован; зарезервований",
    st.BLOCKED: (
        "suspended; disabled; barred; locked; gesperrt; suspendu; bloqué; suspendido; bloqueado; suspenso;"
        " заблокирован; заблокований"
    ),
    st.HOLD: (
        "quarantine; quarantined; aging; ageing; cooling; on hold; karenz; quarantäne; quarantaine; карантин"
    ),
    st.ARCHIVE: (
        "archived; retired; ceased; terminated; cancelled; canceled; ported out; deleted; disconnected;"
        " gekündigt; résilié; archivé; archivado; cancelado; архив; архів"
    ),
}
PROPOSED = {word.strip(): status for status, words in _WORDS.items() for word in words.split(";")}
