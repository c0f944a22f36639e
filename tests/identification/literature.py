"""Named graphs of the literature, with questions and published or hand-derived answers.

Graphs are facts of the papers named; where a figure has unmeasured nodes they are bidirected edges or
declared latent. ``yes`` lists what is identifiable from the observational distribution, ``no`` what is not.
"""

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    source: str
    edges: str
    queries: tuple[tuple[str, bool], ...]
    latent: tuple[str, ...]


SUITE = """
name: back-door
source: Pearl, Causality, 2nd ed., 2009, section 3.3.1
graph: Z -> X -> Y; Z -> Y
yes: P(Y | do(X)); P(Y | do(X), Z); P(Y, Z | do(X))

name: chain
source: Pearl, Causality, 2nd ed., 2009, section 1.2
graph: X -> Z -> Y
yes: P(Y | do(X)); P(Y | do(X), Z)

name: front-door
source: Pearl, Causal diagrams for empirical research, Biometrika 82, 1995, figure 3
graph: X -> Z -> Y; X <-> Y
yes: P(Y | do(X)); P(Y, Z | do(X)); P(Y | do(Z)); P(Y | do(X), Z)

name: front-door, explicit latent
source: Pearl, Causal diagrams for empirical research, Biometrika 82, 1995
graph: U -> X -> Z -> Y; U -> Y
latent: U
yes: P(Y | do(X))

name: bow
source: Pearl 1995
graph: X -> Y; X <-> Y
yes: P(X | do(Y))
no: P(Y | do(X))

name: instrument
source: Wright 1928; Angrist, Imbens, Rubin, JASA 91, 1996
graph: Z -> X -> Y; X <-> Y
yes: P(Y | do(Z))
no: P(Y | do(X)); P(Y | do(X), Z)

name: conditional instrument
source: Pearl, Causality, 2nd ed., 2009, chapter 7, simplified
graph: W -> Z; Z -> X -> Y; W -> Y; X <-> Y
yes: P(Y | do(Z)); P(X, Y | do(Z))
no: P(Y | do(X))

name: napkin
source: Pearl and Mackenzie, The Book of Why, 2018, chapter 7
graph: W1 -> W2 -> X -> Y; W1 <-> X; W1 <-> Y
yes: P(Y | do(X)); P(Y | do(W2)); P(X, Y | do(W2))

name: M-bias
source: Greenland, Pearl, Robins, Epidemiology 10, 1999
graph: X -> Y; X <-> Z; Z <-> Y
yes: P(Y | do(X)); P(Z | do(X))
no: P(Y | do(X), Z)

name: M-bias, explicit latents
source: Greenland, Pearl, Robins, Epidemiology 10, 1999
graph: A -> X; A -> Z; B -> Z; B -> Y; X -> Y
latent: A; B
yes: P(Y | do(X))
no: P(Y | do(X), Z)

name: butterfly
source: Ding and Miratrix, To adjust or not to adjust, Journal of Causal Inference 3, 2015
graph: A -> X; A -> M; B -> M; B -> Y; M -> X; M -> Y; X -> Y
yes: P(Y | do(X)); P(Y | do(X), M)

name: butterfly, hidden wings
source: Ding and Miratrix, To adjust or not to adjust, Journal of Causal Inference 3, 2015
graph: M -> X; M -> Y; X -> Y; M <-> X; M <-> Y
no: P(Y | do(X)); P(Y | do(X), M); P(Y | do(M, X))

name: front-door with observed confounder
source: Pearl, Causality, 2nd ed., 2009, section 3.3.2
graph: W -> X; W -> Y; X -> Z -> Y
yes: P(Y | do(X)); P(Y | do(X), W)

name: conditional front-door
source: Jeong, Tian, Bareinboim, Finding and listing front-door sets, 2022
graph: W -> X; W -> Z; W -> Y; X -> Z -> Y; X <-> Y
yes: P(Y | do(X)); P(Y | do(X), W)

name: front-door with two mediators
source: after Jeong, Tian, Bareinboim, Finding and listing front-door sets, 2022
graph: X -> A -> Y; X -> B -> Y; X <-> Y
yes: P(Y | do(X)); P(A, Y | do(X))

name: Verma
source: Verma and Pearl, Equivalence and synthesis of causal models, UAI 1990
graph: A -> B -> C -> D; B <-> D
yes: P(D | do(C)); P(D | do(B)); P(D | do(A)); P(C, D | do(A)); P(B, D | do(C)); P(D | do(C), B)

name: long Verma graph
source: Tian, Studies in causal reasoning and learning, PhD thesis, UCLA, 2002, p. 70
graph: V1 -> V2 -> V3 -> V4 -> V5; V1 <-> V3; V2 <-> V4; V3 <-> V5
yes: P(V5 | do(V1)); P(V5 | do(V3)); P(V4 | do(V2))

name: Verma graph with a long arc
source: Tian, Studies in causal reasoning and learning, PhD thesis, UCLA, 2002, p. 59
graph: V1 -> V2 -> V3 -> V4 -> V5; V1 <-> V5; V1 <-> V3; V2 <-> V4
yes: P(V5 | do(V1)); P(V5 | do(V4)); P(V5 | do(V2))

name: soil fumigants
source: Pearl 1995, figure 1
graph: Z0 -> X; Z0 -> B; Z0 -> Z1 -> Z2; X -> Z2; X -> Y; B -> Z3; Z2 -> Z3; Z2 -> Y; Z3 -> Y
latent: Z0; B
yes: P(Y | do(X)); P(Z2 | do(X))

name: six covariates
source: Pearl, Causality, 2nd ed., 2009, figure 3.4
graph: A1 -> A3 -> X; A1 -> A4; A2 -> A4 -> X; A2 -> A5 -> Y; A4 -> Y; X -> A6 -> Y
yes: P(Y | do(X)); P(Y | do(X), A4); P(Y, A6 | do(X))

name: four hidden confounders
source: Pearl, Causality, 2nd ed., 2009, p. 92
graph: Z2 -> X; Z2 -> Z1; Z2 -> Z3; X -> Z1; Z3 -> Y; Z1 -> Y; Z2 <-> X; Z2 <-> Y; X <-> Z3; X <-> Y
yes: P(Y | do(X)); P(Z1 | do(X)); P(Y | do(Z1))

name: two mediators, two hidden confounders
source: Pearl, Causality, 2nd ed., 2009, p. 92
graph: X -> Z1 -> Z2 -> Y; X -> Y; Z1 -> Y; X <-> Z2; Z1 <-> Y
yes: P(Y | do(X)); P(Z1 | do(X)); P(Z2 | do(X))

name: sequential plan
source: Pearl, Causality, 2nd ed., 2009, p. 119
graph: X1 -> Z -> X2 -> Y; X1 -> X2; X1 -> Y; X1 <-> Z; Z <-> Y
yes: P(Y | do(X1, X2)); P(Y | do(X2)); P(Y | do(X2), X1)
no: P(Y | do(X1))

name: plan without a G-formula
source: Pearl, Causality, 2nd ed., 2009, p. 125
graph: Z1 -> X1 -> X2 -> Y; Z2 -> Y; Z1 <-> Z2; Z1 <-> X2; Z2 <-> X2
yes: P(Y | do(X1, X2)); P(Y | do(X2))

name: process control
source: Pearl and Robins, Probabilistic evaluation of sequential plans, UAI 1995
graph: U1 -> Z; U1 -> X1; X1 -> Z; X1 -> X2; U2 -> Z; U2 -> Y; Z -> X2; X1 -> Y; X2 -> Y
latent: U1; U2
yes: P(Y | do(X1, X2))
no: P(Y | do(X1))

name: Tian's ladder
source: Tian, Studies in causal reasoning and learning, PhD thesis, UCLA, 2002, p. 90
graph: W1 -> W2 -> X -> Y; W3 -> W4 -> X; W1 <-> X; W1 <-> Y; W1 <-> W3; W3 <-> W2; W3 <-> W5
graph: W5 <-> W4
yes: P(Y | do(X)); P(Y | do(W2)); P(Y | do(W4))

name: confounded mediator
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, figure 2b
graph: X -> Y; X -> Z -> Y; Z <-> Y
yes: P(Y | do(X))
no: P(Y | do(Z)); P(Y | do(X, Z))

name: confounded covariate
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, figure 2d
graph: X -> Y; Z -> X; Z -> Y; X <-> Z
yes: P(Y | do(X)); P(Y | do(X, Z))
no: P(Y | do(Z)); P(X | do(Z))

name: hedge-less
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, figure 3a
graph: W1 -> X -> Y1; W2 -> Y2; W1 <-> W2; W1 <-> Y1; W1 <-> Y2; X <-> W2
yes: P(Y1, Y2 | do(X)); P(Y1 | do(X)); P(Y2 | do(X))

name: hedge
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, after figure 3b
graph: W1 -> X -> Y1; W1 -> W2 -> Y2; W1 <-> W2; W1 <-> Y1; W1 <-> Y2; X <-> W2
no: P(Y1, Y2 | do(X))

name: line seven
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, figure 5
graph: W1 -> X -> Y1; W1 <-> Y1
yes: P(Y1 | do(X)); P(Y1 | do(W1))

name: identifiable only conditionally
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, figure 6a
graph: X -> Z -> Y; X <-> Z
yes: P(Y | do(X), Z); P(Y | do(Z))
no: P(Y | do(X))

name: unidentifiable conditionally
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, after figure 6b
graph: X -> Z; Y -> Z; X <-> Z
yes: P(Y | do(X))
no: P(Y | do(X), Z)

name: counterfactual example
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, figure 9a
graph: X -> W -> Y; D -> Z -> Y; X <-> Y
yes: P(Y | do(X)); P(Y | do(X, Z)); P(Y | do(X), D); P(Y | do(Z), X)

name: line six
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, line 6 of ID
graph: X -> Y; X -> Z -> Y; X <-> Z
yes: P(Y | do(X, Z)); P(Y | do(X), Z)
no: P(Y | do(X))

name: line three
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, line 3 of ID
graph: Z -> X -> Y; Z <-> X
yes: P(Y | do(X))
no: P(Y | do(Z))

name: line four
source: Shpitser and Pearl, Complete identification methods, JMLR 9, 2008, line 4 of ID
graph: Z -> X -> M -> Y; Z -> Y; Z <-> X; M <-> Y
yes: P(Y | do(X)); P(M, Y | do(X))
no: P(Y | do(M))

name: cfid, no answer
source: Tikka, Identifying counterfactual queries with the R package cfid, R Journal 15, 2023
graph: X -> W -> Y; D -> Z -> Y; X -> Y; X <-> Y
yes: P(Y | do(Z)); P(Y | do(D))
no: P(Y | do(X))

name: cfid, conditional
source: Tikka, Identifying counterfactual queries with the R package cfid, R Journal 15, 2023, figure 2
graph: X -> Z -> Y; X -> Y; X <-> Z
yes: P(Y | do(X), Z)
no: P(Y | do(X))

name: surrogate outcomes
source: Tikka and Karvanen, Surrogate outcomes and transportability, 2019, figure 8
graph: X1 -> Y1; X1 -> Y2; W -> Y1; W -> Y2; Z -> Y1; Z -> X2 -> Y2; Z -> Y2; X1 <-> Y1; Z <-> W
graph: Z <-> X2
yes: P(Y2 | do(X1, X2)); P(Y2 | do(X2))
no: P(Y1, Y2 | do(X1, X2)); P(Y1 | do(X1))

name: pruning
source: after Tikka and Karvanen, Enhancing identification of causal effects by pruning, JMLR 18, 2018
graph: W -> Z -> X -> Y; W -> X; Z <-> W; X -> A; A -> B; B <-> A
yes: P(Y | do(X)); P(Y, A | do(X))

name: simplification
source: after Tikka and Karvanen, Simplifying probabilistic expressions in causal inference, JMLR 18, 2017
graph: Z1 -> X; Z1 -> Y; Z2 -> X; Z1 <-> X; Z2 <-> Z1; X -> Y
yes: P(Y | do(X)); P(Y | do(X), Z2)

name: insulin-like growth factor
source: Zucker et al., IEEE Transactions on Big Data, 2021
graph: SOS -> Ras -> PI3K -> AKT -> Raf -> Mek -> Erk; Ras -> Raf; SOS <-> PI3K
yes: P(Erk | do(SOS)); P(Erk | do(Ras)); P(Erk | do(SOS, AKT))

name: cytokine storm, small
source: Zucker et al. 2021
graph: ADAM -> EGFR; ADAM -> TNF; ADAM -> S6; EGFR -> cytok; TNF -> cytok; S6 -> I6 -> cytok
graph: ADAM <-> cytok; ADAM <-> S6; EGFR <-> TNF; EGFR <-> I6
yes: P(cytok | do(EGFR)); P(cytok | do(S6))
no: P(cytok | do(ADAM))

name: cytokine storm
source: Zucker et al. 2021
graph: SARS -> ACE2 -> Ang -> AGTR -> ADAM -> EGF -> EGFR -> NFKB -> IAMP -> cytok
graph: ADAM -> TNF -> NFKB; ADAM -> S6 -> I6 -> IAMP; SARS -> PRR -> NFKB; Toci -> S6; Gefi -> EGFR
graph: SARS <-> Ang; ADAM <-> S6; PRR <-> NFKB; EGF <-> EGFR; EGFR <-> TNF; EGFR <-> I6
yes: P(cytok | do(S6)); P(cytok | do(EGFR))

name: smoking and tar
source: Pearl and Mackenzie 2018, chapter 7, with tar confounded
graph: S -> T -> C; S -> C; S <-> T
yes: P(C | do(T)); P(C | do(S, T))
no: P(C | do(S))

name: primal weighting
source: Bhattacharya, Nabi, Shpitser, Semiparametric inference for causal effects, JMLR 23, 2022
graph: C1 -> T -> M -> L -> Y; C1 -> L; C2 -> T; C2 -> M; C2 -> L; C2 -> Y; Z1 <-> C1; Z2 <-> C2
graph: T <-> L
yes: P(Y | do(T)); P(Y | do(L)); P(L | do(T), C1)

name: thyroid and diabetes
source: Schipf et al., Journal of Clinical Endocrinology and Metabolism, 2010
graph: A -> PA; A -> S; A -> TT; A -> U; A -> WC; PA -> D; PA -> WC; S -> D; S -> TT; U -> D; U -> TT
graph: WC -> D; WC -> TT; WC -> U
yes: P(D | do(TT)); P(D | do(WC)); P(D | do(WC, S))

name: warming up
source: Shrier and Platt, Reducing bias through directed acyclic graphs, BMC Med Res Methodol 8, 2008
graph: Coach -> Fit; Coach -> Team; Tissue -> Fatigue; Tissue -> Weak; Contact -> Intra
graph: Contact -> Prev; Fit -> Fatigue; Fit -> Pre; Gene -> Tissue; Gene -> Fit; Gene -> Fatigue
graph: Intra -> Injury; Fatigue -> Injury; Fatigue -> Intra; Pre -> Warm; Team -> Prev; Team -> Warm
graph: Weak -> Injury; Warm -> Intra
yes: P(Injury | do(Warm)); P(Injury | do(Warm), Contact)

name: warming up, unmeasured
source: Shrier and Platt, Reducing bias through directed acyclic graphs, BMC Med Res Methodol 8, 2008,
source: with genetics, coach and motivation hidden
graph: Coach -> Fit; Coach -> Team; Tissue -> Fatigue; Tissue -> Weak; Contact -> Intra
graph: Contact -> Prev; Fit -> Fatigue; Fit -> Pre; Gene -> Tissue; Gene -> Fit; Gene -> Fatigue
graph: Intra -> Injury; Fatigue -> Injury; Fatigue -> Intra; Pre -> Warm; Team -> Prev; Team -> Warm
graph: Weak -> Injury; Warm -> Intra
latent: Gene; Coach; Team
yes: P(Injury | do(Warm))

name: eighteen variables
source: Acid and de Campos, An algorithm for finding minimum d-separating sets, UAI 1996
graph: x1 -> x3; x1 -> x4; x10 -> x12; x10 -> x15; x11 -> x12; x12 -> x13; x14 -> x16; x15 -> x17
graph: x15 -> x18; x16 -> x17; x2 -> x3; x3 -> x5; x3 -> x6; x4 -> x5; x5 -> x11; x5 -> x7; x6 -> x14
graph: x6 -> x7; x7 -> x9; x8 -> x14; x8 -> x15; x9 -> x10
yes: P(x15 | do(x3)); P(x15 | do(x5))

name: substance use
source: van Kampen, The SSQ model of schizophrenic prodromal unfolding revised, 2014, part
graph: AFF -> ALN; AFF -> CDR; AIS -> AFF; AIS -> EGC; AIS -> SUS; ALN -> FTW; ALN -> SUS; EGC -> HOS
graph: FTW -> EGC; SAN -> AFF; SAN -> AIS; SAN -> ALN; SAN -> CDR; SUS -> EGC; SUS -> FTW; SUS -> HOS
yes: P(EGC | do(SUS)); P(HOS | do(SUS, EGC))

name: Asia
source: Lauritzen and Spiegelhalter, Journal of the Royal Statistical Society B 50, 1988
graph: Asia -> Tub -> Either; Smoke -> Lung -> Either; Smoke -> Bronc -> Dysp; Either -> Xray
graph: Either -> Dysp
yes: P(Dysp | do(Smoke)); P(Dysp | do(Lung)); P(Lung | do(Smoke), Dysp)

name: sprinkler
source: Pearl, Causality, 2nd ed., 2009, figure 1.2
graph: Season -> Sprinkler -> Wet -> Slip; Season -> Rain -> Wet
yes: P(Slip | do(Sprinkler)); P(Rain | do(Sprinkler)); P(Rain | do(Sprinkler), Wet)

name: generalised back-door
source: Maathuis and Colombo, A generalized back-door criterion, Annals of Statistics 43, 2015, figure 3
graph: 1 -> 3; 1 -> 4; 1 -> 5; 2 -> 3; 2 -> 4; 2 -> 5; 3 -> 4; 4 -> 5
yes: P(5 | do(3)); P(4, 5 | do(1))

name: z-identifiable
source: Bareinboim and Pearl, Causal inference by surrogate experiments, UAI 2012, figure 1a
graph: Z -> X -> Y; Z <-> X; Z <-> Y
no: P(Y | do(X)); P(Y | do(X), Z)

name: confounded instrument
source: Bareinboim and Pearl, Causal inference by surrogate experiments, UAI 2012, figure 1b
graph: Z -> X -> Y; X <-> Y; Z <-> Y
no: P(Y | do(X)); P(Y | do(Z))

name: confounded covariate of the outcome
source: Bareinboim and Pearl, Causal inference by surrogate experiments, UAI 2012, figure 1c
graph: Z -> Y; X -> Y; X <-> Z; Z <-> Y
no: P(Y | do(X)); P(Y | do(X), Z)

name: parallel confounded paths
source: Pearl, Causality, 2nd ed., 2009, p. 153
graph: X -> Z -> Y; X -> W -> Y; X <-> Z; W <-> Y
yes: P(Y | do(X), Z); P(W | do(X))
no: P(Y | do(X))

name: Z-shaped covariates
source: Pearl, Causality, 2nd ed., 2009, p. 80
graph: Z1 -> Z2 -> X -> Y; Z1 -> Z3 -> X; Z3 -> Y; Z4 -> X; Z4 -> Z5
yes: P(Y | do(X)); P(Y | do(X), Z1); P(X, Y | do(Z1))

name: M-bias with a mediator
source: Pearl, Myth, confusion and science in causal analysis, 2009
graph: X -> M -> Y; X <-> Z; Z <-> Y
yes: P(Y | do(X)); P(M, Y | do(X), Z)

name: collider treatment
source: Hernán, Hernández-Díaz, Robins, A structural approach to selection bias, Epidemiology 15, 2004
graph: E -> C; D -> C; E -> D
yes: P(D | do(E)); P(D | do(E), C); P(C | do(E, D))

name: mediation with an exposure-induced confounder
source: Avin, Shpitser, Pearl, Identifiability of path-specific effects, IJCAI 2005
graph: X -> L; X -> M; L -> M; L -> Y; M -> Y; X -> Y
yes: P(Y | do(X)); P(Y | do(X, M)); P(L, Y | do(X))

name: time-varying treatment
source: Robins, A new approach to causal inference in mortality studies, 1986
graph: L0 -> A0 -> L1 -> A1 -> Y; L0 -> L1; A0 -> A1; L0 -> Y; L1 -> Y; L1 <-> Y
yes: P(Y | do(A0, A1)); P(Y | do(A1)); P(Y | do(A0))

name: proxy of a hidden confounder
source: Kuroki and Pearl, Measurement bias and effect restoration, Biometrika 101, 2014
graph: U -> X -> Y; U -> Y; U -> W
latent: U
yes: P(W | do(X))
no: P(Y | do(X))

name: two proxies
source: Miao, Geng, Tchetgen Tchetgen, Identifying causal effects with proxy variables, Biometrika 105,
source: 2018
graph: U -> Z -> X -> Y; U -> X; U -> Y; U -> W -> Y
latent: U
no: P(Y | do(X))

name: birth weight paradox
source: Hernández-Díaz, Schisterman, Hernán, American Journal of Epidemiology 164, 2006
graph: Smoke -> Weight -> Death; Smoke -> Death; Weight <-> Death
yes: P(Death | do(Smoke)); P(Death | do(Smoke), Weight)
no: P(Death | do(Weight))

name: disjoint parts
source: an edge case that a published implementation raises on
graph: X -> A; Y -> B; C
yes: P(Y | do(X)); P(C | do(X)); P(Y | do(X), C); P(Y, C | do(A), X)

name: effect as cause
source: an edge case that a published implementation raises on
graph: Y -> X; Z -> Y; Z <-> X
yes: P(Y | do(X)); P(Y, Z | do(X)); P(Y | X)
"""


def read(entry):
    """Return the case that a paragraph describes; a field may go on over several lines."""
    fields = {"latent": [], "yes": [], "no": [], "source": [], "graph": [], "name": []}
    for line in entry.splitlines():
        field, text = line.split(": ", 1)
        fields[field].append(text)
    yes, no, latent = (
        [part for line in fields[key] for part in line.split("; ")] for key in ("yes", "no", "latent")
    )
    queries = tuple([(query, True) for query in yes] + [(query, False) for query in no])
    name, source, edges = (" ".join(fields["name"]), " ".join(fields["source"]), "; ".join(fields["graph"]))
    return Case(name, source, edges, queries, tuple(latent))


CASES = [read(entry) for entry in SUITE.strip().split("\n\n")]
